"""What several folders of tests share: reference numbers, the finished smoke run, and counts said at the end."""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file
from torch import Tensor
from torch.utils._pytree import tree_map

from retort.models.codec import Codec
from retort.models.dit import DiT
from retort.models.interface import LatentDiffusion
from retort.models.stable_diffusion import StableDiffusion
from tests.helpers.workspace import Workspace, smoke_config

# Tests compare numbers to the last digits, on the CPU, on every machine.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def pytest_addoption(parser):
    parser.addoption(
        "--parity-fixtures",
        type=Path,
        default=Path(__file__).parent / "fixtures" / "parity",
        metavar="FOLDER",
        help="folder of reference numbers for tests/parity (--fixtures is an option of pytest itself)",
    )
    parser.addoption(
        "--parity-device",
        type=torch.device,
        default=torch.device("cpu"),
        metavar="DEVICE",
        help="where the models of tests/parity compute; a GPU must be named in CUDA_VISIBLE_DEVICES as well",
    )
    parser.addoption(
        "--faults",
        type=int,
        default=5,
        metavar="NUMBER",
        help="faults that each stage meets in tests/survive/test_faults.py: fewer are other ones from stage to stage",
    )


class ReferenceCase:
    """One folder of reference numbers: case.json, tensors and, for some, a tiny pipeline.

    Sizes, seeds and step counts differ from one set of folders to another, so tests look them up here. device: where
    models compute; all numbers are on the CPU (see `Placed`).
    """

    def __init__(self, folder: Path, device: torch.device):
        self.folder, self.device = folder, device
        self.facts = json.loads((folder / "case.json").read_text())

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        return load_file(self.folder / "io.safetensors")

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def find(self, pattern: str) -> list[re.Match]:
        """Matches of the whole names of tensors; at least one, so that a loop over them tests something."""
        found = [match for name in sorted(self.tensors) if (match := re.fullmatch(pattern, name))]
        assert found, f"no tensor of {self.folder} is named like {pattern}"
        return found

    def number(self, text: str, pattern: str) -> float:
        """The number that the one group of `pattern` picks from a text of case.json."""
        match = re.search(pattern, text)
        assert match, f"{self.folder}: nothing like {pattern} in: {text}"
        return float(match[1])

    def load_dit(self, dtype: torch.dtype) -> DiT:
        pipeline = self.folder / "pipeline"
        transformer = json.loads((pipeline / "transformer" / "config.json").read_text())
        vae = json.loads((pipeline / "vae" / "config.json").read_text())
        resolution = transformer["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1)
        codec = Codec.load(pipeline / "vae", resolution, dtype, self.device)
        return self.placed(DiT.load(pipeline, codec, dtype, self.device))

    def load_stable_diffusion(self) -> LatentDiffusion:
        """In float32, led away from the negative prompt of case.json."""
        pipeline, side = self.folder / "pipeline", self.facts["model_parameters"]["image"]
        codec = Codec.load(pipeline / "vae", side, torch.float32, self.device)
        negative = self.facts["negative_prompt"]
        loaded = StableDiffusion.load(pipeline, codec, torch.float32, self.device, "{names}", negative=negative)
        return self.placed(loaded)

    def placed(self, model: LatentDiffusion) -> LatentDiffusion:
        """A model that was loaded on this case's device, asked and answering on the CPU."""
        return Placed(model, self.device)


class Placed:
    """A model whose networks compute on a device, while what is asked and answered is on the CPU.

    So tests compare numbers where the reference's are, and methods draw and step there.
    """

    device = torch.device("cpu")
    ASKED = ("eps", "eps_and_variance", "encode", "decode", "condition", "null")

    def __init__(self, model: LatentDiffusion, there: torch.device):
        self._model, self._there = model, there

    def __getattr__(self, name: str):
        found = getattr(self._model, name)
        return self._across(found) if name in self.ASKED else found

    def _across(self, method: Callable) -> Callable:
        def moved(device: torch.device, values):
            return tree_map(lambda value: value.to(device) if isinstance(value, Tensor) else value, values)

        return lambda *arguments: moved(self.device, method(*moved(self._there, arguments)))


def last_bit(model: DiT, run: Callable[[], Tensor]) -> float:
    """The most that the result of `run` moves when the timesteps that `model` embeds move by their last bit.

    diffusers embeds them in float32 even in a float64 model, and CPUs round its exponential differently: for the
    fixtures kept here, one of 128 frequencies came out a bit higher where the numbers were made than it should, and
    another a bit lower on an AMD EPYC. Nothing that follows can agree better than this across machines.
    """

    def nudge(_, inputs):
        return (torch.nextafter(inputs[0].float(), torch.tensor(torch.inf)),)

    result = run()
    embeddings = [block.norm1.emb.time_proj for block in model.transformer.transformer_blocks]
    hooks = [embedding.register_forward_pre_hook(nudge) for embedding in embeddings]
    moved = run()
    for hook in hooks:
        hook.remove()
    return (moved - result).abs().max().item()


@pytest.fixture(scope="session", name="last_bit")
def last_bit_fixture():
    return last_bit


@pytest.fixture(scope="session")
def parity(request):
    """parity(name): the reference numbers of one folder."""
    folder, device = (request.config.getoption(f"--parity-{name}") for name in ("fixtures", "device"))
    return lambda name: ReferenceCase(folder / name, device)


@pytest.fixture(scope="session")
def shared(tmp_path_factory, request) -> Callable[[str, Callable[[Path], Workspace]], Workspace]:
    """shared(name, make): a workspace that make(folder) made once, for all processes that run these tests."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if hasattr(request.config, "workerinput") else base

    def once(name: str, make: Callable[[Path], Workspace]) -> Workspace:
        folder, done = root / f"shared-{name}", root / f"shared-{name}.done"
        with FileLock(f"{done}.lock"):
            if done.exists():
                return Workspace.found(folder / "workspace")
            folder.mkdir()
            workspace = make(folder / "workspace")
            done.touch()
            return workspace

    return once


def smoke_run(folder: Path) -> Workspace:
    workspace = Workspace.fresh(folder, smoke_config())
    began = time.perf_counter()
    workspace.run("--cores", "2")
    print(f"smoke config from nothing: {time.perf_counter() - began:.0f} s")
    return workspace


@pytest.fixture(scope="session")
def finished(shared) -> Workspace:
    """The smoke config, run to the end on two cores. Tests only read it; `twin` makes a copy to change or to run."""
    return shared("smoke", smoke_run)


@pytest.fixture
def twin(finished, tmp_path) -> Workspace:
    return finished.twin(tmp_path / "twin")


# ---------------------------------------------------------------- how the tests are run, and what is said at their end

# Files, or folders of them, so that no worker begins these when the others have ended. First of all those that wait for
# a cluster and for faults: each takes longer than any other, and neither keeps a core busy.
LONGEST_FIRST = ("survive/test_slurm.py", "survive/test_faults.py", "survive", "end_to_end", "staleness")
COUNTED = pytest.StashKey[Counter]()


def pytest_collection_modifyitems(items):
    def rank(item) -> int:
        path = item.path.relative_to(Path(__file__).parent)
        places = {path.as_posix(), path.parts[0]}
        return next((i for i, place in enumerate(LONGEST_FIRST) if place in places), len(LONGEST_FIRST))

    items.sort(key=rank)  # stable: files stay together


@pytest.fixture
def count(request):
    """count(what, number): add to what is said at the end of the tests; called when it has been checked."""

    def add(what: str, number: int = 1) -> None:
        request.config.stash.setdefault(COUNTED, Counter())[what] += number

    return add


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counted"] = dict(session.config.stash.get(COUNTED, Counter()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A process that ran some of the tests has ended: what it counted is added to what all did."""
    node.config.stash.setdefault(COUNTED, Counter()).update(getattr(node, "workeroutput", {}).get("counted", {}))


def pytest_terminal_summary(terminalreporter, config):
    for what, number in sorted(config.stash.get(COUNTED, Counter()).items()):
        terminalreporter.write_line(f"{what}: {number}")
