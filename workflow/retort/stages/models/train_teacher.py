"""Train a teacher and measure it before anybody believes it."""

from retort.artifacts.pixels import open_split
from retort.artifacts.teacher_quality import measured, write_quality
from retort.base.files import whole_directory
from retort.data.manifest import read_classes
from retort.models.judging import TRAINED_BADLY
from retort.models.teacher import save_teacher
from retort.models.teacher_training import trained_teacher
from retort.models.training_state import Checkpoint


def train_teacher(
    train: str,
    val: str,
    class_table: str,
    teacher: str,
    checkpoint: Checkpoint,
    *,
    name: str,
    arch: str,
    expect: float | None,
    seed: int,
    settings: dict,
) -> None:
    """A directory with the teacher's weights, what they are for, and quality.json: its validation top-1.

    Raises RetortError when the teacher is near chance or below what is expected of it.
    """
    classes, (pixels, labels) = [c.id for c in read_classes(class_table)], open_split(train)
    module = trained_teacher(pixels, labels, arch, (seed, "teacher", name), checkpoint, **settings)
    top1 = measured(module, val, classes, expect, name, TRAINED_BADLY)
    with whole_directory(teacher) as scratch:
        save_teacher(module, scratch, arch, classes, pixels.shape[1])
        write_quality(scratch, name, top1)
    checkpoint.clear()
