"""same: what methods compute on the device against the CPU in double precision, and the parity tests on the device.

Half precision is judged by single predictions; what many steps make of its rounding is a figure and no assertion.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from retort.base.running import Running
from retort.base.seeds import torch_rng
from retort.data.manifest import ClassEntry
from retort.evaluation.augment import apply_views
from retort.evaluation.losses import soft_loss
from retort.evaluation.views import ViewSettings, plan_views
from retort.methods import ddim
from retort.methods.ancestral import respace
from retort.methods.confidence import rank_candidates
from retort.methods.groups import score_groups
from retort.methods.guidance import Guided
from retort.methods.refinement import refine
from retort.methods.sampling import sample
from retort.methods.typicality import draw_noises, typicality_maps
from retort.models.classifiers import build_classifier, normalised
from retort.models.load import load_diffusion
from retort.models.pixels import to_images, to_pixels
from retort.models.precision import logits_in
from tests.gpu import models
from tests.gpu.harness import Bench, Checks, apart
from tests.helpers.parts import sampling as sampling_by

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = [ClassEntry(0, "n01440764", "tench, Tinca tinca"), ClassEntry(1, "n01443537", "goldfish")]
SINGLE, HALF = 1e-4, 2e-2  # relative errors
IN_HALF = ("float16", "bfloat16")
TIMES = (1, 20, 500, 980)
SAMPLERS = {name: sampling_by(name, 8, None, 2.0, 0.05, 0.9) for name in ("ddim", "ddpm", "dpm++")}
SAMPLERS["ddim with noise"] = sampling_by({"kind": "ddim", "eta": 0.7}, 8, None, 2.0, 0.05, 0.9)
VIEWS = ViewSettings(6, (0.3, 1.0), True, 1.0, steps=4, mixup=0.5, jitter=0.4, lighting=0.1, shuffle=2)
SIDE, CLASSES, MEMBERS = 32, 5, 12
TESTS = "tests/parity"


def run(bench: Bench, checks: Checks) -> None:
    tiny = replace(bench, size="tiny", folder=bench.folder / "tiny")
    tiny.folder.mkdir(exist_ok=True)
    models.fetched(tiny)
    with exact_products():
        for kind in models.ENCODERS:
            _model(tiny, checks, kind)
        _classifier(tiny, checks)
    _parity(bench, checks)


def _model(bench: Bench, checks: Checks, kind: str) -> None:
    """Everything that is made of predictions, on the CPU in double precision and on the device in three others."""
    expected = dict(_computed(bench, kind, "cpu", "float64"))
    for dtype in ("float32", *IN_HALF):
        for what, found in _computed(bench, kind, bench.device.type, dtype):
            error, name = apart(found, expected[what]), f"{kind}, {dtype}: {what}"
            if dtype == "float32" or what.startswith("eps"):
                checks.below(f"{name}: relative error", error, SINGLE if dtype == "float32" else HALF)
            else:
                checks.figure(f"{name}: relative error", error)
            if what == "decoded" and dtype == "float32":
                grey = np.abs(to_pixels(found).astype(int) - to_pixels(expected[what]).astype(int)).max()
                checks.that(f"{name}: pixels within a grey level", grey <= 1, int(grey))
            if what == "inverted" and dtype == "float32":
                checks.that(
                    f"{kind}: the same groups are chosen", np.array_equal(_groups(found), _groups(expected[what]))
                )


@torch.no_grad()
def _computed(bench: Bench, kind: str, device: str, dtype: str) -> Iterator[tuple[str, Tensor]]:
    """Name -> what a model makes of the same numbers, on a device in a dtype."""
    on = Running(device="cpu") if device == "cpu" else Running(device="cuda")
    codec = replace(models.codec_files(bench, kind, on), dtype="float64" if dtype == "float64" else "float32")
    model = load_diffusion(replace(models.model_files(bench, kind, on), dtype=dtype), codec)
    working = torch.float64 if dtype == "float64" else torch.float32
    shape, condition, labels = model.latent_shape, model.condition(ENTRIES), [entry.index for entry in ENTRIES]

    def drawn(*words: str | int) -> Tensor:
        numbers = [torch.randn(shape, generator=torch_rng(0, *words, i)) for i in range(len(ENTRIES))]
        return torch.stack(numbers).to(model.device, working)

    start = drawn("start")
    for time in TIMES:
        times = torch.full((len(ENTRIES),), time, device=model.device)
        yield f"eps at {time}", model.eps(start, times, condition)
    denoise = Guided(model, condition, 2.0)
    yield "inverted", ddim.invert(start, denoise, model.alphas_cumprod, 10, 5)
    for name, sampling in SAMPLERS.items():
        for guide, by in (("", replace(sampling, guides=())), (" with a guide", sampling)):
            fresh, targets = iter(range(1000)), drawn("target") if by.guides else None
            noise: Callable[[], Tensor] = lambda fresh=fresh: drawn("noise", next(fresh))  # noqa: E731
            yield f"{name}{guide}", sample(model, condition, start, by, labels, targets, noise)
    yield from _refined(model, drawn, working)
    noises, times = draw_noises(shape, 3, len(model.alphas_cumprod), 0.1, 0.7, torch_rng(0, "typicality"))
    on_device = noises.to(model.device, working), times.to(model.device)
    yield "typicality", typicality_maps(model, start, condition, model.null(len(ENTRIES)), *on_device)
    images = torch.tanh(torch.stack([torch.randn(3, SIDE * 2, SIDE * 2, generator=torch_rng(0, i)) for i in range(2)]))
    yield "encoded", model.encode(images)
    yield "decoded", model.decode(start / 4)


def _refined(model, drawn: Callable, working: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    null, schedule = model.null(len(ENTRIES)), respace(model.alphas_cumprod, 20)
    indices = torch.tensor([[3, 1, 4], [2, 2, 1]])
    settings = {"lr": 6e-4, "peak_weight": 0.1, "timestep": "mapped"}
    found, losses = refine(
        drawn("start"), drawn("refine"), lambda x, t: model.eps(x, t, null), schedule, indices, **settings
    )
    yield "refined", found
    yield "losses of refinement", losses


def _groups(inverted: Tensor) -> np.ndarray:
    """Of 64 groups of draws the best for a class with these inverted latents, as D3HR chooses."""
    variance = inverted.double().cpu().var(0).flatten()[None].numpy()
    z = np.random.default_rng(0).standard_normal((64, 4, variance.shape[1]))
    return score_groups(z, variance, 1.0).argmin(axis=0)


# ---------------------------------------------------------------- classifiers


def _classifier(bench: Bench, checks: Checks) -> None:
    """Views, a student's step, and what a teacher chooses."""
    cpu, pixels = torch.device("cpu"), np.random.default_rng(0).integers(0, 256, (MEMBERS, SIDE, SIDE, 3), np.uint8)
    planned = plan_views(VIEWS, MEMBERS, SIDE, 0, (0, "views"))
    shown = {device: apply_views(to_images(pixels)[planned.rows].to(device), planned) for device in (cpu, bench.device)}
    checks.below("views: relative error", apart(shown[bench.device], shown[cpu]), SINGLE)
    exact = _step(shown[cpu], torch.float64, "float32")
    for precision in ("float32", *IN_HALF):
        within = SINGLE if precision == "float32" else HALF
        logits, weights = _step(shown[cpu].to(bench.device), torch.float32, precision)
        checks.below(f"a student's step, {precision}: logits", apart(logits, exact[0]), within)
        checks.below(f"a student's step, {precision}: weights behind it", apart(weights, exact[1]), within)
    seen = {device: _logits(pixels, device) for device in (cpu, bench.device)}
    for keep in ("confident", "uncertain"):
        orders = [rank_candidates(logits.cpu(), 2, keep).order.tolist() for logits in seen.values()]
        checks.that(f"the same members are chosen, {keep} first", orders[0] == orders[-1])
    crops = [logits.cpu().log_softmax(1)[:, 2].view(-1, 4).argmax(1).tolist() for logits in seen.values()]
    checks.that("the same crops are chosen", crops[0] == crops[-1])


def _step(mixed: Tensor, dtype: torch.dtype, precision: str) -> tuple[Tensor, Tensor]:
    """Logits (B, K) and all weights after one step of SGD on mixed images."""
    torch.manual_seed(0)
    network = build_classifier("resnet8", CLASSES, SIDE).to(mixed.device, dtype, memory_format=torch.channels_last)
    said = torch.linspace(-3, 3, CLASSES, dtype=dtype, device=mixed.device).expand(len(mixed), CLASSES)
    logits = logits_in(network, normalised(mixed.to(dtype)), precision)
    soft_loss(logits, said, 4.0).backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    return logits.detach(), torch.cat([p.detach().flatten() for p in network.parameters()])


@torch.inference_mode()
def _logits(pixels: np.ndarray, device: torch.device) -> Tensor:
    torch.manual_seed(1)
    network = build_classifier("resnet8", CLASSES, SIDE).eval().to(device)
    return network(normalised(to_images(pixels).to(device)))


# ---------------------------------------------------------------- the parity tests


def _parity(bench: Bench, checks: Checks) -> None:
    """Against the reference codes' numbers; on a CPU one file of them, since `make test` has them all."""
    tests = TESTS if bench.on_gpu else f"{TESTS}/test_d3hr_inversion.py"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        tests,
        "--parity-device",
        bench.device.type,
    ]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'workflow'}{os.pathsep}{ROOT}"}
    if bench.on_gpu:
        environment.setdefault("CUDA_VISIBLE_DEVICES", "0")  # which the tests would hide otherwise
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    last = (done.stdout.strip().splitlines() or [done.stderr[-500:]])[-1]
    checks.that("the parity tests pass on the device", done.returncode == 0, "; ".join(failed[:5]) or last)


@contextmanager
def exact_products():
    """Without TF32, whose ten bits are no single precision."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
