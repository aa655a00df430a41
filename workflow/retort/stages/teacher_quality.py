"""Measuring a teacher on the real validation images, before anybody believes it."""

from pathlib import Path

from torch import nn
from tqdm import tqdm

from retort.data.files import write_json
from retort.models.teacher import accuracy, check_seen, check_teacher, logits_of
from retort.stages.decode import open_split


def measured(teacher: nn.Module, val: str, classes: int, expect: float | None, name: str, causes: str) -> float:
    """Top-1 on the validation images, as a fraction.

    Raises RetortError when it is near chance or below `expect`, and when the teacher sees what is not finite.
    """
    pixels, labels = open_split(val)
    logits = logits_of(teacher, pixels, progress=lambda batches: tqdm(batches, desc=f"measuring {name}", unit="batch"))
    check_seen(logits, lambda row: f"teacher {name}, class number {labels[row]}, validation image {row}")
    top1 = accuracy(logits, labels)
    print(f"{name}: top-1 {top1:.4f} on {len(labels)} validation images")
    check_teacher(top1, classes, len(labels), expect, name, causes)
    return top1


def write_quality(directory: Path, name: str, top1: float) -> None:
    """quality.json: a row of the table of models."""
    row = {"model": name, "kind": "teacher", "measure": "top-1 on the validation images", "value": top1}
    write_json(directory / "quality.json", row)
