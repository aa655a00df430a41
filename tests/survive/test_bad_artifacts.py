"""What was made is damaged afterwards: the job that reads it says what and where, and harms nothing else."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.helpers.workspace import Workspace

from .messages import Answer, check, without_machine

pytestmark = pytest.mark.exhaustive

Damage = Callable[[Path], None]


def cut(file: Path) -> None:
    """As after a copy that was broken off, within a line where there are lines."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3].rstrip(b"\n"))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def foreign(file: Path) -> None:
    """Something else under the same name."""
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


def gone(file: Path) -> None:
    file.unlink()


def replaced(old: str, new: str) -> Damage:
    def damage(file: Path) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return damage


def tensors(edit: Callable[[dict[str, np.ndarray]], object]) -> Damage:
    """Other tensors in a whole file."""

    def damage(file: Path) -> None:
        held = {name: array.copy() for name, array in load_file(file).items()}
        edit(held)
        save_file(held, file, {"format": "pt"})

    return damage


def without(name: str) -> Damage:
    return tensors(lambda held: held.pop(name))


def reshaped(name: str) -> Damage:
    return tensors(lambda held: held.update({name: held[name][..., :-1].copy()}))


def with_nan(name: str) -> Damage:
    return tensors(lambda held: held[name].reshape(-1).__setitem__(slice(0, 3), np.nan))


def record(edit: Callable[[dict], object]) -> Damage:
    def damage(file: Path) -> None:
        content = json.loads(file.read_text())
        edit(content)
        file.write_text(json.dumps(content))

    return damage


def copied_from(other: str) -> Damage:
    """The same kind of file, but of something else."""
    return lambda file: shutil.copy(file.parents[3] / other, file)


DIT, VAE = (
    "models/dit/transformer/diffusion_pytorch_model.safetensors",
    "models/vae/diffusion_pytorch_model.safetensors",
)
D3HR = "distilled/d3hr/ipc2"
SOFT = "students/d3hr/ipc2/soft/resnet8"
REBUILT = "delete it and run again: it will be rebuilt"
WHOLE_FOLDER = "and run again: it will be rebuilt"
NOT_FINITE = "delete the file and run again: it will be rebuilt"


class Case(NamedTuple):
    """One file below results/smoke that is damaged, and what the job says that makes `made` from it."""

    file: str
    damage: Damage
    made: str
    finding: str
    remedy: str = REBUILT
    place: str = ""  # the file, unless something else is named


CASES = [
    Case("manifest.parquet", cut, "latents/vae/0000.safetensors", "is no whole Parquet file"),
    Case("manifest.parquet", foreign, "selected/random/ipc2.csv", "is no whole Parquet file"),
    Case("classes.csv", foreign, "selected/random/ipc2.csv", "is no table"),
    Case("classes.csv", emptied, "selected/random/ipc2.csv", "does not list each class once"),
    Case(
        "classes.csv",
        replaced("\n1,1,", "\n1,../1,"),
        "inversion/ddim/0000.safetensors",
        "'../1' cannot name a folder",
        "a class id is not empty, has no slash",
    ),
    Case("classes.csv", replaced("index,", "place,"), "inversion/ddim/0000.safetensors", "lacks 'index'"),
    Case("latents/vae/0000.safetensors", cut, "inversion/ddim/0000.safetensors", "is not a whole safetensors"),
    Case("latents/vae/0000.safetensors", foreign, "typicality/default/0000.safetensors", "is not a whole safetensors"),
    Case(
        "latents/vae/0000.safetensors",
        reshaped("latents/1"),
        "inversion/ddim/0000.safetensors",
        "latents (4, 8, 7) of class 1 where (4, 8, 8) are wanted",
    ),
    Case(
        "latents/vae/0000.safetensors",
        without("latents/1"),
        "embeddings/density/0000.safetensors",
        "lacks 'latents/1'",
    ),
    Case(
        "latents/vae/0000.safetensors",
        with_nan("latents/1"),
        "inversion/ddim/0000.safetensors",
        "not finite",
        NOT_FINITE,
    ),
    Case("inversion/ddim/0000.safetensors", cut, "starts/d3hr/n2.safetensors", "is not a whole safetensors"),
    Case("inversion/ddim/0000.safetensors", without("variance"), "starts/d3hr/n2.safetensors", "lacks 'variance'"),
    Case("inversion/ddim/0000.safetensors", with_nan("mean"), "starts/d3hr/n2.safetensors", "not finite", NOT_FINITE),
    Case("starts/d3hr/n2.safetensors", cut, "generated/d3hr/n2/0000.safetensors", "is not a whole safetensors"),
    Case(
        "embeddings/density/0000.safetensors", cut, "discovery/density/0000.safetensors", "is not a whole safetensors"
    ),
    Case(
        "discovery/density/0000.safetensors",
        tensors(lambda held: [held.pop(name) for name in list(held) if name.endswith("/1")]),
        "representatives/density/n2/0000.csv",
        "lacks",
    ),
    Case(
        "representatives/density/n2/0000.csv",
        replaced("class_index", "label"),
        "generated/coda/n2/0000.safetensors",
        "lacks 'class_index'",
    ),
    Case("patches/rded/0000.csv", cut, "composed/rded/ipc1/0000.safetensors", "is cut off: its last line has no end"),
    Case(
        "ranked/ddps/0000.csv",
        replaced("height", "h"),
        "composed/ddps/ipc2/0000.safetensors",
        "lacks the column 'height'",
    ),
    Case("ranked/ddps/0000.csv", foreign, "composed/ddps/ipc2/0000.safetensors", "is not the table"),
    Case("typicality/default/0000.safetensors", cut, "patches/ddps/0000.csv", "is not a whole safetensors"),
    Case("typicality/default/0000.safetensors", with_nan("maps/1"), "patches/ddps/0000.csv", "not finite", NOT_FINITE),
    Case("generated/cao2/n2/0000.safetensors", cut, "selected/cao2/ipc1/0000.csv", "is not a whole safetensors"),
    Case("selected/cao2/ipc1/0000.csv", foreign, "refined/cao2/ipc1/0000.safetensors", "is no table"),
    Case(
        "features/resnet/0000.safetensors",
        with_nan("features/1"),
        "selected/kmeans/ipc1/0000.csv",
        "not finite",
        NOT_FINITE,
    ),
    Case(f"{D3HR}/manifest.csv", replaced("0/00000.png", "../../../../x.png"), SOFT, "'../../../../x.png'"),
    Case(f"{D3HR}/manifest.csv", replaced("class_index", "label"), SOFT, "lacks the column 'class_index'"),
    Case(f"{D3HR}/1/00001.png", cut, SOFT, "cannot be read"),
    Case(f"{D3HR}/1/00001.png", gone, SOFT, "lacks 1/00001.png (1 missing)", place=D3HR),
    Case("labels/d3hr/ipc2/soft.safetensors", cut, SOFT, "is not a whole safetensors"),
    Case(
        "labels/d3hr/ipc2/soft.safetensors",
        copied_from("labels/dit/ipc2/soft.safetensors"),
        SOFT,
        "holds labels of another distilled set",
        "delete it and run again",
    ),
    Case("teachers/resnet/teacher.json", cut, "labels/d3hr/ipc2/soft.safetensors", "is no JSON"),
    Case(
        "teachers/resnet/teacher.json",
        record(lambda about: about.pop("classes")),
        "labels/d3hr/ipc2/soft.safetensors",
        "lacks 'classes'",
    ),
    Case(
        "teachers/resnet/model.safetensors",
        cut,
        "labels/d3hr/ipc2/soft.safetensors",
        "model.safetensors is not whole",
        WHOLE_FOLDER,
        "teachers/resnet",
    ),
    Case(
        DIT,
        cut,
        "generated/dit/n2/0000.safetensors",
        "transformer/diffusion_pytorch_model.safetensors is not whole",
        WHOLE_FOLDER,
        "models/dit",
    ),
    Case(
        DIT,
        with_nan("proj_out_2.weight"),
        "generated/dit/n2/0000.safetensors",
        "not finite",
        "fetch or train it again",
        "proj_out_2.weight",
    ),
    Case(
        "models/dit/transformer/config.json",
        foreign,
        "generated/dit/n2/0000.safetensors",
        "transformer/config.json is not whole",
        WHOLE_FOLDER,
        "models/dit",
    ),
    Case("models/vae/config.json", cut, "generated/dit/n2/0000.safetensors", "is no JSON"),
    Case(
        VAE,
        without("decoder.conv_in.bias"),
        "generated/dit/n2/0000.safetensors",
        "lacks 1 weights",
        "fetch or train it again",
        "models/vae",
    ),
    Case("pixels/val.safetensors", cut, SOFT, "is not a whole safetensors"),
    Case(f"{SOFT}/1.json", cut, "../accuracy.csv", "is no JSON"),
    Case(
        f"{SOFT}/1.json",
        record(lambda student: student.pop("last")),
        "../accuracy.csv",
        "lacks 'last'",
    ),
    Case("teachers/resnet/quality.json", foreign, "../models.csv", "is no JSON"),
    Case("../accuracy.csv", foreign, "../figures/smoke/accuracy.png", "is no table"),
]


@pytest.fixture(scope="module")
def workspace(finished, tmp_path_factory) -> Workspace:
    return finished.twin(tmp_path_factory.mktemp("damage") / "workspace")


def named(case: Case) -> str:
    """The file, how it is wrong, and what is made from it."""
    return f"{case.file.removeprefix('../')} {case.finding}, for {case.made}"


def answer_of(case: Case) -> Answer:
    return Answer(case.place or case.file.removeprefix("../"), case.finding, case.remedy)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_damage_is_named_by_the_job_that_reads_it_and_nothing_else_is_harmed(workspace, tmp_path, case, count):
    damage, made = case.damage, case.made
    file, target = workspace.results("smoke", case.file), workspace.results("smoke", made)
    kept, before = tmp_path / "kept", workspace.contents()
    shutil.copytree(workspace.results(), kept, symlinks=True)
    try:
        made_at = file.stat().st_mtime_ns
        damage(file)
        if file.exists():  # no change that Snakemake would see: what it is made from is not made anew first
            os.utime(file, ns=(made_at, made_at))
        name = target.resolve().relative_to(workspace.folder.resolve())
        output = workspace.run("--cores", "1", "--force", "--", str(name), succeeds=False)
        assert "Traceback" not in output, output[-3000:]
        said = set(re.findall(r"^retort: [a-z_]+: .*", output, re.MULTILINE))
        assert len(said) == 1, output[-3000:]
        message = without_machine(said.pop(), workspace=workspace.folder)
        check("artifacts", named(case), message, answer_of(case))
        assert list(workspace.results().rglob("*.part")) == []
        after = workspace.contents()
        harmed = {path for path in before if after.get(path) != before[path]}
        mine = {str(path.resolve().relative_to(workspace.results().resolve())) for path in (file, target)}
        assert {path for path in harmed if not any(path == m or path.startswith(f"{m}/") for m in mine)} <= siblings(
            made
        )
    finally:
        shutil.rmtree(workspace.results())
        shutil.copytree(kept, workspace.results(), symlinks=True)
    count("bad input: damaged artifacts, answered")


def siblings(made: str) -> set[str]:
    """Other outputs of the same job, which Snakemake removes with the one that it makes anew."""
    with_it = {
        "discovery/density/0000.safetensors": {"smoke/discovery/density/0000.csv"},
        "../accuracy.csv": {"accuracy.md", "accuracy.tex"},
    }
    return with_it.get(made, set())
