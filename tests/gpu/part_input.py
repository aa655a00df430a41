"""input: whether readers keep up with the encoder at 256 and 1,024 px and with the teacher, by their number."""

import io
import os
import re
from contextlib import redirect_stdout
from itertools import pairwise

import torch

from retort.models.classifiers import build_classifier
from retort.models.teacher import save_teacher
from retort.stages.shared.describe_images import describe_images
from tests.gpu import models
from tests.gpu.harness import Bench, Checks
from tests.gpu.stages import NAMES, Stages

IMAGES = {"256": 6000, "1024": 2100}  # above the number from which processes read; fewer where each takes longer
FEW = 130  # where models are tiny: three batches
THREADS = (2, 4, 8, 16)
MOST_WAITED = 0.2
ROUNDING = 0.02


def run(bench: Bench, checks: Checks) -> None:
    models.fetched(bench, "vae-256", "vae-1024")
    stages = Stages(bench)
    stages.prepare()
    threads = THREADS if bench.full else (1, 2)
    for side, images in IMAGES.items():
        waited = {}
        for count in threads:
            waited[count] = _encode(stages, checks, side, images if bench.full else FEW, count)
        _judge(bench, checks, f"encoding at {side} px", waited)
    _describe(bench, checks, stages, threads)


def _encode(stages: Stages, checks: Checks, side: str, images: int, threads: int) -> float:
    """The share of the time for which the encoder waited, as its log says it."""
    said = io.StringIO()
    with redirect_stdout(said):
        seconds = stages.bench.timed(lambda: stages.encode(side, 64, images, threads))
    share = int(re.search(r"waited for images .* s, (\d+)%", said.getvalue())[1]) / 100
    checks.figure(f"encoding at {side} px, {threads} threads: images a second", images / seconds)
    checks.figure(f"encoding at {side} px, {threads} threads: share waited", share)
    return share


def _judge(bench: Bench, checks: Checks, what: str, waited: dict[int, float]) -> None:
    if not (bench.on_gpu and bench.full):
        return
    cores = len(os.sched_getaffinity(0))
    shares = [share for count, share in waited.items() if count <= cores]
    falls = all(later <= earlier + ROUNDING for earlier, later in pairwise(shares))
    checks.that(f"{what}: waits less with more threads", falls and len(shares) > 1, str(waited))
    if cores >= max(waited):
        checks.below(f"{what}: share waited at {max(waited)} threads", waited[max(waited)], MOST_WAITED)


def _describe(bench: Bench, checks: Checks, stages: Stages, threads: tuple[int, ...]) -> None:
    arch, class_id, images = ("resnet18" if bench.full else "resnet8"), next(iter(NAMES)), 6000 if bench.full else FEW
    tree, folder, rates = stages.tree(images), stages.home / "teacher", {}
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    save_teacher(build_classifier(arch, 1, stages.side), folder, arch, [class_id], stages.side)
    for count in threads:
        paths = tree / "manifest.parquet", tree / "classes.csv", folder, stages.home / "described.safetensors"
        settings = {"class_indices": [0], "side": stages.side, "threads": count}
        rates[count] = images / bench.timed(lambda paths=paths, s=settings: describe_images(*map(str, paths), **s))
        checks.figure(f"describing, {count} threads: images a second", rates[count])
    if bench.on_gpu and bench.full:
        checks.that("describing: faster with more threads", rates[threads[-1]] > rates[threads[0]], str(rates))
