"""Fit a teacher that was trained elsewhere to the data set, and measure it before it labels anything."""

import shutil
from pathlib import Path

from safetensors.torch import load_model

from retort.artifacts.teacher_quality import measured, write_quality
from retort.base.files import read_json, whole_directory
from retort.base.filesystems import backend_for
from retort.data.manifest import read_classes
from retort.models.classifiers import build_classifier
from retort.models.judging import ADOPTED_BADLY
from retort.models.teacher import at_work, cut_head, save_teacher

HALF = 0.5


def adopt_teacher(fetched: str, val: str, class_table: str, teacher: str, *, name: str, expect: float | None) -> None:
    """A teacher's directory as `train_teacher` writes it, its head cut to the data set's classes by their ids.

    Raises RetortError when its head lacks classes of the data set, and when it is near chance or below what is
    expected of it on the validation images.
    """
    classes, settings = [c.id for c in read_classes(class_table)], read_json(Path(fetched, "teacher.json"))
    network = build_classifier(settings["arch"], len(settings["classes"]), settings["resolution"])
    weights = Path(fetched, "model.safetensors")
    load_model(network, str(weights), backend=backend_for(weights))
    cut_head(network, settings["classes"], classes)
    top1 = measured(at_work(network, settings), val, classes, expect, name, ADOPTED_BADLY)
    if expect is None and top1 < HALF:
        print(
            f"warning: teacher {name!r} comes from elsewhere and is wrong on more than half of the validation images "
            f"(top-1 {top1:.3f}). If that is what is known of it, say so in teachers.{name}.expect; likely causes "
            f"otherwise: {ADOPTED_BADLY.format(name=name)}."
        )
    with whole_directory(teacher) as scratch:
        save_teacher(network, scratch, **settings | {"classes": classes})
        write_quality(scratch, name, top1)
        shutil.copy2(Path(fetched, "origin.json"), scratch)
