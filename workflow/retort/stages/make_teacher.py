"""Train a teacher and measure it before anybody believes it."""

from retort.data.files import whole_directory, write_json
from retort.data.manifest import read_classes
from retort.models.fit import Checkpoint
from retort.models.teacher import accuracy, check_teacher, logits_of, save_teacher, train_teacher
from retort.stages.decode import open_split


def make_teacher(
    train: str,
    val: str,
    class_table: str,
    output: str,
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
    classes, (pixels, labels), (val_pixels, val_labels) = read_classes(class_table), open_split(train), open_split(val)
    module = train_teacher(pixels, labels, arch, (seed, "teacher", name), checkpoint, **settings)
    top1 = accuracy(logits_of(module, val_pixels), val_labels)
    print(f"{name}: top-1 {top1:.4f} on {len(val_labels)} validation images")
    checkpoint.clear()
    check_teacher(top1, len(classes), len(val_labels), expect, name)
    with whole_directory(output) as scratch:
        save_teacher(module, scratch, arch, [c.id for c in classes], pixels.shape[1])
        write_json(
            scratch / "quality.json",
            {"model": name, "kind": "teacher", "measure": "top-1 on the validation images", "value": top1},
        )
