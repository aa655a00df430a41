"""Numbers that papers report, for the rows of a table that they may stand beside.

reported.csv was gathered from papers, abstracts and repositories, and not checked against each of them: confirm a
number before quoting it. A protocol is named by its preset, a teacher by its architecture with the tag of its weights;
one without a tag was trained on the data set itself.
"""

import csv
from functools import cache
from pathlib import Path

from retort.config.plan import Plan


@cache
def reported_rows() -> list[dict[str, str]]:
    with open(Path(__file__).with_name("reported.csv"), newline="") as handle:
        return list(csv.DictReader(handle))


def reported_for(plan: Plan, methods: list[str] | None = None) -> list[dict]:
    """method, ipc, protocol, student, top1 (per cent) and source of every wanted row with a published number.

    A number is taken where data set, image side, test crop, images per class, protocol with every constant, teacher and
    student agree with the paper's, and the method says that it is the paper's, by its name or by its `paper`.
    """
    keys = ("data", "resolution", "test_crop", "method", "ipc", "protocol", "teacher", "student")
    known = {tuple(row[key] for key in keys): row for row in reported_rows()}
    found = []
    for cell in plan.wanted("method", "ipc", "protocol", "student", methods=methods):
        teacher = plan.teacher_of(cell["protocol"])
        arch = plan.config.teachers[teacher].arch if teacher else ""
        paper = plan.config.methods[cell["method"]].paper or cell["method"]
        data = (plan.dataset_identity(), str(plan.dataset.resolution), str(plan.dataset.test_crop))
        row = known.get((*data, paper, cell["ipc"], plan.protocol(cell["protocol"]).id, arch, cell["student"]))
        if row:
            found.append(cell | {"top1": float(row["top1"]), "source": row["source"]})
    return found
