"""Bytes of stored labels, in full and of the highest logits only, and the accuracy that each gives.

    python -m bench.labels [--steps 300] [--students 3]

Digits at 32 px, 10 random images per class, soft protocol, batches of 50; ten classes, so that little can be saved. The
second table is arithmetic: ImageNet-1K with 50 images per class, 300 epochs.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch

from bench.digits import prepare
from retort.artifacts.kept_students import KeptStudents
from retort.base.files import read_json
from retort.base.tensors import read_metadata
from retort.evaluation.labels import Top, label_arrays
from retort.evaluation.student import Recipe
from retort.evaluation.views import ViewSettings
from retort.stages.evaluation.relabel_set import relabel_set
from retort.stages.evaluation.train_students import Labelling, train_students

TEMPERATURE = 20.0
ADAMW = Recipe("adamw", lr=0.001, momentum=0.9, weight_decay=0.01, schedule="half-cosine", evaluations=10)
SHOWN = "| kept | label bytes | of all | last | best |\n|---|---|---|---|---|"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--students", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    views = ViewSettings(batch=50, crop=(0.5, 1.0), flip=False, cutmix=1.0, steps=options.steps)
    lines, full = [], None
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare(home, ipc=10, arch="resnet8", steps=300)
        for count in (None, 5, 3, 2, 1):
            size, students = measured(home, count and Top(count, TEMPERATURE), views, options.students)
            full = full or size
            last, best = (
                f"{100 * statistics.mean(found):.1f} ± {100 * statistics.stdev(found):.1f} %"
                for found in ([student[when]["top1"] for student in students] for when in ("last", "best"))
            )
            lines.append(f"| {count or 'all'} | {size:,} | {size / full:.0%} | {last} | {best} |")
    print(SHOWN, *lines, "", "| kept of 1,000 | labels of 15 million views |", "|---|---|", sep="\n")
    for count in (None, 100, 10):
        arrays = label_arrays(1000, count and Top(count, TEMPERATURE)).values()
        each = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in arrays)
        print(f"| {count or 'all'} | {15e6 * each / 1e9:.2f} GB |")
    plans = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in views.arrays().values())
    print(f"\nand {15e6 * plans / 1e9:.2f} GB for how each view was made")


def measured(home: Path, top: Top | None, views: ViewSettings, students: int) -> tuple[int, list[dict]]:
    """Bytes of the labels, and the students that learn from them."""
    labels, output = home / "labels.safetensors", home / "students"
    common = {"views": views, "dataset": "digits", "seed": 0}
    relabel_set(home / "set", None, home / "classes.csv", home / "teacher", labels, kind="region", top=top, **common)
    train_students(
        *(home / "set", None, home / "val.safetensors", home / "classes.csv", output),
        KeptStudents(home / "kept", str(top), 60),
        seeds=range(students),
        row={"method": "random", "ipc": "10", "protocol": "soft"},
        student="resnet8",
        recipe=ADAMW,
        labelling=Labelling("region", TEMPERATURE, labels, home / "teacher", top),
        **common,
    )
    return int(read_metadata(labels)["label bytes"]), [read_json(output / f"{i}.json") for i in range(students)]


if __name__ == "__main__":
    main()
