"""memory: one batch of every stage at its default batch, free and with the memory of a card of 24 GB."""

import gc
from contextlib import contextmanager
from types import SimpleNamespace

import torch

from retort.running.explained import explained
from tests.gpu import models
from tests.gpu.arithmetic import CONTEXT, ROOM, WORKS, Work, peak
from tests.gpu.harness import GIB, Bench, Checks
from tests.gpu.stages import Stages

TOO_LARGE = {Work("refine_latents", "sdxl", 4), Work("train_students", "resnet101", 200)}
SLACK = 1.2
# Whose peak lies in the gradients, which are the same everywhere; without, a CPU's unfused attention and loading count.
ON_ANY_DEVICE = ("refine_latents", "train_students")
FEW = 4  # images of a batch where models are tiny


def run(bench: Bench, checks: Checks) -> None:
    models.fetched(bench)
    stages = Stages(bench)
    stages.prepare()
    for work in WORKS if bench.full else _small():
        with checks.step(f"{work.name} runs"):
            counted = peak(work, bench.size, bench.half)
            measured = bench.peak(stages.of(work))
            checks.figure(f"{work.name}: GiB measured", measured / GIB)
            checks.figure(f"{work.name}: GiB counted", counted / GIB)
            if bench.full or work.rule in ON_ANY_DEVICE:
                checks.below(f"{work.name}: measured over counted", measured / counted, SLACK)
        gc.collect()
    if not bench.on_gpu:
        checks.figure("with the memory of a card of 24 GB", "only a GPU can be limited")
        return
    with limited(ROOM[24]):
        for work in WORKS if bench.full else _small():
            _limited(bench, checks, stages, work)


def _limited(bench: Bench, checks: Checks, stages: Stages, work: Work) -> None:
    """Those that do not fit end with the sentence that a user would read, and no others do."""
    said, where = "", f"{work.name} at {ROOM[24]:.0f} GiB"
    try:
        stages.of(work)()
    except RuntimeError as error:
        said = message(error, work)
    gc.collect()
    torch.cuda.empty_cache()
    if work in TOO_LARGE and bench.full:
        checks.that(f"{where}: says what would help", "out of memory on the GPU" in said, said)
    else:
        checks.that(f"{where}: runs", not said, said)


def message(error: RuntimeError, work: Work) -> str:
    """What a job of this rule would end with. Raises the error where Retort does not know it."""
    resources = {} if work.rule == "train_students" else {"batch": work.batch}
    said = explained(error, SimpleNamespace(rule=work.rule, resources=resources, input=[], output=[]))
    if said is None:
        raise error
    return said


@contextmanager
def limited(gib: float):
    """Let torch have so much of the GPU, less what CUDA itself takes."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, (gib - CONTEXT) * GIB / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _small() -> list[Work]:
    """Each rule with each kind once, of a few images."""
    names = {"resnet18": "resnet8", "resnet50": "resnet8", "resnet101": "resnet8"}
    return list(dict.fromkeys(Work(w.rule, names.get(w.model, w.model), FEW) for w in WORKS))
