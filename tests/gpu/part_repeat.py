"""repeat: what is equal to the bit on this device, by default and deterministically, and how far the rest goes."""

from contextlib import contextmanager

import numpy as np
import torch

from retort.models.training_state import Checkpoint
from tests.gpu import models
from tests.gpu.harness import Bench, Checks
from tests.gpu.stages import Stages
from tests.helpers.tiny_models import read

GREY = 1  # levels by which pixels may differ where only the batch does
CURVES = 0.05  # share of the first loss by which two trainings of one recipe may differ early on


class Stopped(Exception):
    """The training was stopped after its state was saved."""


class StopAt(Checkpoint):
    """Saves its state once, after `step` steps, and ends the training there."""

    def __init__(self, path, step: int):
        super().__init__(path, "acceptance", seconds=0.0)
        self._step, self._asked = step, 0

    def due(self) -> bool:
        self._asked += 1
        return self._asked == self._step

    def save(self, training, step: int, facts: dict | None = None) -> None:
        super().save(training, step, facts)
        raise Stopped


def run(bench: Bench, checks: Checks) -> None:
    models.fetched(bench, "dit", "vae-256")
    stages = Stages(bench)
    stages.prepare()
    for how, wanted in (("by default", False), ("deterministically", True)):
        with deterministic(wanted), checks.step(f"{how}: runs"):
            _images(bench, checks, stages, how, wanted)
            _trainings(bench, checks, stages, how, wanted)


def _images(bench: Bench, checks: Checks, stages: Stages, how: str, wanted: bool) -> None:
    count = 16 if bench.full else 4

    def made(batch: int) -> dict[str, np.ndarray]:
        return read(stages.generate("dit", batch, steps=10, first=None, count=count))

    once, again, halved = made(count), made(count), made(count // 2)
    equal = all(np.array_equal(once[name], again[name]) for name in once)
    checks.figure(f"{how}: images made twice are equal to the bit", str(equal))
    if wanted or not bench.on_gpu:
        checks.that(f"{how}: images made twice are equal", equal)
    pixels = [found["pixels"].astype(int) for found in (once, halved)]
    apart = np.abs(pixels[0] - pixels[1])
    checks.figure(f"{how}: largest difference of pixels, batch {count // 2} against {count}", int(apart.max()))
    checks.figure(f"{how}: share of pixels that differ", float((apart > 0).mean()))
    if not bench.on_gpu:
        checks.that(f"{how}: pixels of other batches are within a grey level", apart.max() <= GREY, int(apart.max()))


def _trainings(bench: Bench, checks: Checks, stages: Stages, how: str, wanted: bool) -> None:
    arch, batch, steps = ("resnet18", 100, 200) if bench.full else ("resnet8", 4, 8)
    path = bench.folder / f"training {how}.safetensors"

    def curve(checkpoint: Checkpoint | None = None) -> np.ndarray:
        found = stages.train(arch, batch, steps, evaluations=steps, checkpoint=checkpoint)
        return np.array([point["loss"] for point in found["curve"]])

    straight, again = curve(), curve()
    try:
        curve(StopAt(path, steps // 2))
    except Stopped:
        resumed = curve(Checkpoint(path, "acceptance"))
    for what, other in (("trained again", again), ("resumed", resumed)):
        apart = np.abs(straight - other) / straight[0]
        checks.figure(f"{how}: {what}: equal to the bit", str(bool((apart == 0).all())))
        checks.figure(f"{how}: {what}: largest difference of the loss, of the first one", float(apart.max()))
        if wanted or not bench.on_gpu:
            checks.that(f"{how}: {what}: the same losses", (apart == 0).all(), float(apart.max()))
        else:
            checks.below(f"{how}: {what}: losses of the first half", float(apart[: steps // 2].max()), CURVES)


@contextmanager
def deterministic(wanted: bool):
    """Torch's own switches; CUBLAS_WORKSPACE_CONFIG is set by accept.py."""
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.benchmark = False if wanted else before[1]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]
