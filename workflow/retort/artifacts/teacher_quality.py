"""Measuring a teacher on the real validation images, before anybody believes it."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn
from tqdm import tqdm

from retort.artifacts.pixels import open_split
from retort.base.files import write_json
from retort.models.judging import check_teacher
from retort.models.teacher import check_seen, logits_of

UNUSUAL = " shown images in [-1, 1] without ImageNet's normalisation"
SHOWN_RAW = (
    "that its network was trained on normalised images, so that it cannot judge others: CaO2's code shows them raw to "
    "torchvision's ResNet-18, which bears it; with another teacher set select.teacher_input: normalised"
)


def measured(
    teacher: nn.Module,
    val: str,
    class_ids: Sequence[str],
    expect: float | None,
    name: str,
    causes: str,
    normalise: bool = True,
) -> float:
    """Top-1 on the validation images, as a fraction; normalise False shows them as `logits_of` says.

    Raises RetortError as `check_teacher` does, and when the teacher sees what is not finite.
    """
    pixels, labels = open_split(val)
    show = {"normalise": normalise, "progress": lambda chunks: tqdm(chunks, desc=f"measuring {name}", unit="batch")}
    logits = logits_of(teacher, pixels, **show)
    check_seen(logits, lambda row: f"teacher {name}, class number {labels[row]}, validation image {row}")
    how = "" if normalise else UNUSUAL
    top1 = check_teacher(logits.argmax(1).numpy(), labels, class_ids, name, expect, causes, how)
    print(f"{name}{how}: top-1 {top1:.4f} on {len(labels)} validation images")
    return top1


def write_quality(directory: Path, name: str, top1: float) -> None:
    """quality.json: a row of the table of models."""
    row = {"model": name, "kind": "teacher", "measure": "top-1 on the validation images", "value": top1}
    write_json(directory / "quality.json", row)
