"""Accuracy class by class: where a set helps and where it does not."""

from collections.abc import Sequence

import pandas as pd

from retort.artifacts.students import CELL, read_students
from retort.base.files import whole_file
from retort.data.manifest import ClassEntry, read_classes
from retort.report.joined_sets import joined


def tabulate_classes(
    students: Sequence[str], class_table: str, csv: str, *, sets: dict[str, dict] | None = None
) -> None:
    """CSV of CELL, class_index, class_id, class_name, seeds, top1_last_mean and top1_last_std, in per cent.

    sets: as in `tabulate_accuracy`.
    """
    table = class_accuracies(joined(read_students(students), sets or {}), read_classes(class_table))
    with whole_file(csv) as scratch:
        table.to_csv(scratch, index=False, float_format="%.2f")


def class_accuracies(students: Sequence[dict], classes: Sequence[ClassEntry]) -> pd.DataFrame:
    """Mean and (unbiased) standard deviation over seeds of each class's top-1 after the last step."""
    rows = [
        {key: student[key] for key in CELL}
        | {"class_index": entry.index, "class_id": entry.id, "class_name": entry.name}
        | {"top1": 100 * student["last"]["per_class"][entry.index]}
        for student in students
        for entry in classes
    ]
    keys = [*CELL, "class_index", "class_id", "class_name"]
    groups = pd.DataFrame(rows).groupby(keys, sort=False)["top1"]
    found = groups.agg(seeds="size", top1_last_mean="mean", top1_last_std="std")
    return found.reset_index()
