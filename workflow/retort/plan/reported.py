"""Numbers that papers report, for the rows of a table that they may stand beside.

reported.csv was gathered from papers, their abstracts, repositories and later papers' tables; `status` says which:
author's table, another paper's table, inferred (the value is published, what it belongs to is a reading) or unconfirmed
(from notes). Confirm a number before quoting it. A cell is empty where nothing is known.

A protocol is named by its preset, and is empty where no preset has the paper's constants. A teacher is named by its
architecture with the tag of its weights; one without a tag was trained on the data set itself, and its weights are its
own. side is that of the set's images, resolution that of the test images and views, epoch which of a student's tests
counts: the best one or the last.
"""

import csv
from functools import cache
from pathlib import Path

from retort.plan.plan import Plan
from retort.plan.published_methods import contradictions

CONFIRMED = ("author's table", "another paper's table")
STATUSES = (*CONFIRMED, "inferred", "unconfirmed")
CELL = ("data", "resolution", "shorter_side", "method", "side", "ipc", "protocol", "student")


@cache
def reported_rows() -> list[dict[str, str]]:
    with open(Path(__file__).with_name("reported.csv"), newline="") as handle:
        return list(csv.DictReader(handle))


@cache
def _by_cell() -> dict[tuple[str, ...], dict[str, str]]:
    rows = ((row | {"shorter_side": _shorter_side(row["resolution"], row["test_crop"])}) for row in reported_rows())
    return {tuple(row[key] for key in CELL): row for row in rows if row["protocol"]}


def reported_for(plan: Plan, methods: list[str] | None = None) -> list[dict]:
    """What papers report for the wanted rows, of some methods or all.

    A number is taken where data set, image side, test crop, the set's own side, images per class, student and protocol
    with every constant agree with the paper's, and the method is the paper's: it says so, by its name or by its
    `paper`, and no setting of it contradicts (see published_methods.yaml).

    Returns, for each, method, ipc, protocol and student of the row; top1 and std (per cent; std None where unknown),
    epoch ("best", "last" or "" where unknown), test_images (None where unknown), status, source, and `differs`: what
    does not agree of the teacher and of the epoch that counts, "" where both do.
    """
    data, dataset = plan.dataset_identity(), plan.dataset
    images = (data, str(dataset.resolution), _shorter_side(dataset.resolution, dataset.test_crop))
    ids = plan.protocol_ids(methods)
    found = []
    for cell in plan.wanted("method", "ipc", "protocol", "student", methods=methods):
        paper = plan.config.methods[cell["method"]].paper or cell["method"]
        side = str(plan.side_of(cell["method"]))
        row = _by_cell().get((*images, paper, side, cell["ipc"], ids[cell["protocol"]], cell["student"]))
        if row and not contradictions(plan, cell["method"], cell["ipc"], data):
            found.append(cell | _as_cells(row) | {"differs": _differs(plan, cell, row)})
    return found


def _shorter_side(resolution: str | int, test_crop: str | float) -> str:
    """To how many pixels the shorter side of a test image is resized before its centre is cropped."""
    return str(round(int(resolution) / float(test_crop)))


def _as_cells(row: dict[str, str]) -> dict:
    return {
        "top1": float(row["top1"]),
        "std": float(row["std"]) if row["std"] else None,
        "epoch": row["epoch"],
        "test_images": int(row["test_images"]) if row["test_images"] else None,
        "status": row["status"],
        "source": "; ".join(text for text in (f"{row['source']}, {row['table']}", row["note"]) if text),
    }


def _differs(plan: Plan, cell: dict[str, str], row: dict[str, str]) -> str:
    """The paper's teacher where it is not ours, and an epoch that is not known."""
    reasons = []
    if (labelling := plan.teacher_of(cell["protocol"])) is not None:
        asked = {plan.config.teachers[name].arch for name in {labelling, *plan.teachers_of(cell["method"])}}
        own = "" if "." in row["teacher"] else ", trained on this data set"
        if asked != {row["teacher"]} or own:
            reasons.append(f"its teacher: {row['teacher']}{own}")
    return "; ".join(reasons + ([] if row["epoch"] else ["best or last epoch: unknown"]))
