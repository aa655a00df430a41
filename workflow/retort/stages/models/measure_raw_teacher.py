"""Measure a teacher on images without normalisation, before it chooses from a pool that it sees so (CaO2's code)."""

from retort.artifacts.teacher_quality import SHOWN_RAW, measured
from retort.base.files import write_json
from retort.data.manifest import read_classes
from retort.models.teacher import load_teacher


def measure_raw_teacher(teacher: str, val: str, class_table: str, quality: str, *, name: str) -> None:
    """JSON of its top-1 (a fraction) on the validation images in [-1, 1], as they are.

    Raises RetortError when that is near chance: then it cannot judge images that it sees in this way.
    """
    classes = [c.id for c in read_classes(class_table)]
    top1 = measured(load_teacher(teacher, classes), val, classes, None, name, SHOWN_RAW, normalise=False)
    write_json(quality, {"teacher": name, "teacher_input": "raw", "top1": top1})
