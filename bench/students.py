"""What stored labels save: a student by the soft protocol, against a loop that asks the teacher in every step.

    PYTHONPATH=workflow OMP_WAIT_POLICY=PASSIVE python bench/students.py [--steps 600] [--students 3]

Digits at 32 px, 10 random images per class, batches of 50, 300 epochs. The plain loop does what RDED's code does: the
teacher's forward of the mixed images in every step, and the student's of the mixed images and of the unmixed ones, for
the log. Both sides share the views, the initial weights, the schedule and the tests. RDED also augments images one by
one in other processes, which is not counted. The teacher has the student's architecture, as in the papers' main tables.
Sides take turns; labelling is timed by itself, since all students share it.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from digits import CLASSES, SIDE, prepare

from retort.config.devices import pick_device
from retort.config.seeds import derive_seed
from retort.data.files import read_json
from retort.models.classifiers import build_classifier, normalised
from retort.models.teacher import load_teacher
from retort.protocols.augment import apply_views
from retort.protocols.image_rows import ImageRows
from retort.protocols.losses import correct_at, soft_loss
from retort.protocols.optimisers import build_optimizer, lr_factor
from retort.protocols.student import Recipe, evaluate
from retort.protocols.views import ViewSettings, plan_views
from retort.stages.decode import open_split
from retort.stages.distilled import read_set
from retort.stages.kept_students import KeptStudents
from retort.stages.relabel import relabel, shared_view_words
from retort.stages.train_students import Labelling, train_students

TEMPERATURE = 20.0
ADAMW = Recipe("adamw", lr=0.001, momentum=0.9, weight_decay=0.01, schedule="half-cosine", evaluations=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="resnet8")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--students", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    views = ViewSettings(batch=50, crop=(0.5, 1.0), flip=False, cutmix=1.0, steps=options.steps)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare(home, ipc=10, arch=options.arch, steps=300)
        began = time.perf_counter()
        label(home, views)
        labelling = time.perf_counter() - began
        pairs = [
            (stored(home, options.arch, views, i), plain(home, options.arch, views, i)) for i in range(options.students)
        ]
    print(f"| side | seconds (median of {options.students}) | last | best |\n|---|---|---|---|")
    for name, side in zip(("stored labels", "plain loop"), zip(*pairs, strict=True), strict=True):
        means = (statistics.mean(student[key] for student in side) for key in ("last", "best"))
        print(f"| {name} | {median(side):.1f} | " + " | ".join(f"{100 * mean:.1f} %" for mean in means) + " |")
    ours, theirs = (median(side) for side in zip(*pairs, strict=True))
    count = options.students
    print(f"\nlabelling, once for all students: {labelling:.1f} s")
    print(f"ratio {theirs / ours:.2f}; with labelling {theirs / (ours + labelling):.2f} for one student, ", end="")
    print(f"{count * theirs / (count * ours + labelling):.2f} for {count}")


def median(side: list[dict]) -> float:
    return statistics.median(student["seconds"] for student in side)


def label(home: Path, views: ViewSettings) -> None:
    paths = [home / "set", None, home / "classes.csv", home / "teacher", home / "labels.safetensors"]
    relabel(*paths, kind="region", views=views, top=None, dataset="digits", seed=0)


def stored(home: Path, arch: str, views: ViewSettings, index: int) -> dict:
    """Seconds and accuracies of student `index` as the workflow trains it."""
    labelling = Labelling("region", TEMPERATURE, home / "labels.safetensors", home / "teacher")
    about = {"method": "random", "ipc": "10", "protocol": "soft"}
    train_students(
        *(home / "set", None, home / "val.safetensors", home / "classes.csv", home / "students"),
        KeptStudents(home / "kept", str(index), 60),
        seeds=1,
        **{"about": about, "arch": arch, "views": views, "recipe": ADAMW, "labelling": labelling},
        **{"dataset": "digits", "seed": index},
    )
    result = read_json(home / "students" / "0.json")
    return {"seconds": result["seconds"], "last": result["last"]["top1"], "best": result["best"]["top1"]}


def plain(home: Path, arch: str, views: ViewSettings, index: int) -> dict:
    """The same student, by the loop that keeps nothing."""
    device, began = pick_device(), time.perf_counter()
    pixels, labels = read_set(home / "set", None)
    val, val_labels = open_split(str(home / "val.safetensors"))
    images, unseen, targets = ImageRows(pixels, device), ImageRows(val, device), torch.from_numpy(labels).to(device)
    teacher = load_teacher(home / "teacher", CLASSES)
    torch.manual_seed(derive_seed(index, "student", "digits", arch, 0))
    student = build_classifier(arch, len(CLASSES), SIDE).to(device, memory_format=torch.channels_last)
    optimizer = build_optimizer(student, ADAMW.kind, ADAMW.lr, ADAMW.momentum, ADAMW.weight_decay)
    tested, right = [], []
    for step in range(views.steps):
        for group in optimizer.param_groups:
            group["lr"] = ADAMW.lr * lr_factor(ADAMW.schedule, step, views.steps)
        planned = plan_views(views, len(labels), SIDE, step, shared_view_words(0, "digits"))
        clean = normalised(images[planned.rows])
        mixed = normalised(apply_views(images[planned.rows], planned))
        with torch.no_grad():
            taught = teacher(mixed)
        right.append(correct_at(student(clean), targets[torch.from_numpy(planned.rows).long().to(device)], 1))
        loss = soft_loss(student(mixed), taught, TEMPERATURE)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if (step + 1) * ADAMW.evaluations % views.steps < ADAMW.evaluations:
            tested.append(evaluate(student, unseen, val_labels)["top1"])
    return {"seconds": time.perf_counter() - began, "last": tested[-1], "best": max(tested)}


if __name__ == "__main__":
    main()
