"""Students in float32 against bfloat16, and what it changes that batch norm sees every batch twice (forward_twice).

    python -m bench.precision [--seeds 5] [--steps 150] [--only step twice] [--threads 1]

step: forward, backward and optimiser of one student step by the workflow's own code, on random images. twice: digits at
32 px, 10 random images of each class, soft labels of a resnet8, batches of 50; resnet8 has batch norm. Each seed trains
both ways from the same weights on the same views, so the difference of the two is paired. Seconds are of the CPU on one
thread and of the wall on more, or on a GPU.
"""

import argparse
import statistics
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.digits import CLASSES, prepare
from bench.rows import clock_name, in_turn
from retort.artifacts.kept_students import KeptStudents
from retort.base.devices import pick_device
from retort.base.files import read_json
from retort.evaluation.losses import hard_loss
from retort.evaluation.student import Recipe, _begin, _learn
from retort.evaluation.views import ViewSettings
from retort.stages.evaluation.relabel_set import relabel_set
from retort.stages.evaluation.train_students import Labelling, train_students

TEMPERATURE = 20.0
ADAMW = Recipe("adamw", lr=0.005, momentum=None, weight_decay=0.01, schedule="half-cosine", evaluations=10)
SHAPES = (("resnet8", 50, 32), ("resnet18", 20, 224))


def step_of(arch: str, batch: int, side: int, precision: str):
    """A call that makes one step; its loss."""
    device, recipe = pick_device(), replace(ADAMW, precision=precision)
    training = _begin(arch, len(CLASSES), side, recipe, ("bench",), device)
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, side, side, generator=draw).to(device)
    labels = torch.randint(len(CLASSES), (batch,), generator=draw).to(device)

    def loss_of(logits: Tensor, part: slice) -> Tensor:
        return hard_loss(logits, labels[part], labels[part], 1)

    return lambda: _learn(training, images, loss_of, recipe).item()


def steps() -> None:
    print(
        f"| student | batch | side | float32, {clock_name()} s | bfloat16 | ratio |",
        "|---|---|---|---|---|---|",
        sep="\n",
    )
    for arch, batch, side in SHAPES:
        sides = [step_of(arch, batch, side, precision) for precision in ("float32", "bfloat16")]
        for side_step in sides:
            side_step()  # the first one sets up
        (exact, mixed), _ = in_turn(*sides, repeats=3)
        print(f"| {arch} | {batch} | {side} | {exact:.3g} | {mixed:.3g} | {exact / mixed:.2f} |", flush=True)


def twice(count: int, length: int) -> None:
    views = ViewSettings(batch=50, crop=(0.5, 1.0), flip=False, cutmix=1.0, steps=length)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            prepare(home, ipc=10, arch="resnet8", steps=300)
            once, both = (trained(home, views, replace(ADAMW, forward_twice=f), count) for f in (False, True))
    print("| tested | once | twice | difference, paired by seed |", "|---|---|---|---|", sep="\n")
    for name, top1 in (("last", lambda r: r["last"]["top1"]), ("best", lambda r: r["best"]["top1"])):
        gaps = np.subtract(*([top1(record) for record in records] for records in (both, once)))
        cells = [said([top1(r) for r in records]) for records in (once, both)]
        print(f"| {name} | {cells[0]} | {cells[1]} | {said(gaps)} |")
    for point in range(0, len(once[0]["curve"]), 2):
        found = [[r["curve"][point]["top1"] for r in records] for records in (once, both)]
        gaps = said(np.subtract(found[1], found[0]))
        print(f"| step {once[0]['curve'][point]['step']} | {said(found[0])} | {said(found[1])} | {gaps} |")


def said(shares) -> str:
    return f"{100 * statistics.mean(shares):.1f} ± {100 * statistics.stdev(shares):.1f}"


def trained(home: Path, views: ViewSettings, recipe: Recipe, seeds: int) -> list[dict]:
    """The records of all seeds."""
    labels, output, common = (
        home / "labels.safetensors",
        home / "students",
        {"views": views, "dataset": "digits", "seed": 0},
    )
    if not labels.exists():
        paths = home / "set", None, home / "classes.csv", home / "teacher", labels
        relabel_set(*paths, kind="region", top=None, **common)
    train_students(
        *(home / "set", None, home / "val.safetensors", home / "classes.csv", output),
        KeptStudents(home / "kept", str(recipe), 60),
        seeds=seeds,
        row={"method": "random", "ipc": "10", "protocol": "soft"},
        student="resnet8",
        recipe=recipe,
        labelling=Labelling("region", TEMPERATURE, labels, home / "teacher"),
        **common,
    )
    return [read_json(output / f"{seed}.json") for seed in range(seeds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=("step", "twice"), default=("step", "twice"))
    for name, default in (("seeds", 5), ("steps", 150), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if "step" in options.only:
        steps()
    if "twice" in options.only:
        twice(options.seeds, options.steps)


if __name__ == "__main__":
    main()
