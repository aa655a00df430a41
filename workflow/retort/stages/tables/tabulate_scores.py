"""The table of scores: how much of a set's accuracy is left without a teacher's labels or without augmentation."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from retort.artifacts.students import CELL, read_students
from retort.base.files import whole_file
from retort.evaluation.scores import augmentation_robust_score, label_robust_score
from retort.report.accuracy_table import accuracy_table
from retort.report.joined_sets import joined
from retort.report.numbers import kept, save_numbers

COLUMNS = [
    *("dataset", "method", "ipc", "protocol", "hard_protocol", "student", "seeds"),
    *("loss_to_full_hard", "gain_over_random", "lrs", "plain_protocol", "gain_over_random_plain", "ars"),
]


class _Cell(NamedTuple):
    """What a mean accuracy is of: the columns CELL of the accuracy table."""

    dataset: str
    method: str
    ipc: str
    protocol: str | None
    student: str


class _Accuracies:
    """Mean last top-1 of each cell, as a fraction; None where there is none."""

    def __init__(self, table: pd.DataFrame, random: list[str], full: list[str]):
        self._means = (table.set_index(CELL)["top1_last_mean"] / 100).to_dict()
        self._random, self._full = random, full

    def of(self, cell: _Cell) -> float | None:
        return self._means.get(cell)

    def random(self, cell: _Cell) -> float | None:
        """Of random images in the place of the cell's."""
        return self._first(cell._replace(method=name) for name in self._random)

    def full(self, cell: _Cell) -> float | None:
        """Of the whole training set in the place of the cell's images."""
        return self._first(cell._replace(method=name, ipc="all") for name in self._full)

    def gain(self, cell: _Cell) -> float | None:
        own, line = self.of(cell), self.random(cell)
        return None if own is None or line is None else own - line

    def _first(self, cells) -> float | None:
        return next((value for cell in cells if (value := self.of(cell)) is not None), None)


def tabulate_scores(
    students: Sequence[str],
    csv: str,
    *,
    random: list[str],
    full: list[str],
    hard: list[str],
    plain: dict[str, str],
    sets: dict[str, dict] | None = None,
) -> None:
    """CSV of COLUMNS, see `score_table`; `sets` as in `tabulate_accuracy`."""
    accuracy = accuracy_table(joined(read_students(students), sets or {}), random, full)
    with whole_file(csv) as scratch:
        table = kept(score_table(accuracy, random, full, hard, plain))
        save_numbers(table, scratch, dict.fromkeys(COLUMNS, 4))


def score_table(
    accuracy: pd.DataFrame, random: list[str], full: list[str], hard: list[str], plain: dict[str, str]
) -> pd.DataFrame:
    """A row per (dataset, method, ipc, protocol, student) and hard protocol, from mean last top-1 as fractions.

    `random` and `full` name the lines to compare with; `hard` the protocols with hard labels; `plain` gives for a
    protocol with augmentation the one that is the same without. A score is empty where a number that it needs was not
    measured: LRS needs the set and the full data by the hard protocol, and random images by the row's own.
    """
    known, rows = _Accuracies(accuracy, random, full), []
    for record in accuracy[~accuracy["method"].isin([*random, *full])].to_dict("records"):
        cell = _Cell(*(record[column] for column in CELL))
        scored = cell._asdict() | {"seeds": record["seeds"]} | _augmentation_robustness(known, cell, plain)
        rows += [scored | found for found in _label_robustness(known, cell, hard)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _augmentation_robustness(known: _Accuracies, cell: _Cell, plain: dict[str, str]) -> dict:
    twin = cell._replace(protocol=plain.get(cell.protocol))
    found = {"gain_over_random": known.gain(cell)}
    found |= {"plain_protocol": twin.protocol, "gain_over_random_plain": known.gain(twin)}
    if None not in found.values():
        found["ars"] = augmentation_robust_score(found["gain_over_random"], found["gain_over_random_plain"])
    return found


def _label_robustness(known: _Accuracies, cell: _Cell, hard: list[str]) -> list[dict]:
    """What each hard protocol by which set and full data were measured adds to the row; one empty addition for none."""
    found = []
    for protocol in [cell.protocol] if cell.protocol in hard else hard:
        hard_cell = cell._replace(protocol=protocol)
        own, whole = known.of(hard_cell), known.full(hard_cell)
        if own is None or whole is None:
            continue
        found.append({"hard_protocol": protocol, "loss_to_full_hard": whole - own})
        if (line := known.random(cell)) is not None:
            found[-1]["lrs"] = label_robust_score(whole, own, known.of(cell), line)
    return found or [{}]
