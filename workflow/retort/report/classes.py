"""Accuracy class by class, and which classes are taken for which, from the students' records."""

from collections.abc import Sequence

import numpy as np

MOST_CLASSES = 20  # columns of a table
MOST_CHANGES = 3

Cell = tuple[str, str, str]
"""protocol, student, images per class."""


def by_cell(students: Sequence[dict]) -> dict[Cell, dict[str, dict]]:
    """Cell -> method -> mean accuracy of each class in per cent, and confusion in per cent of its row's class or None.

    What takes the whole training set stands in no cell.
    """
    groups: dict[Cell, dict[str, list[dict]]] = {}
    for student in students:
        if student["ipc"] != "all":
            cell = (student["protocol"], student["student"], student["ipc"])
            groups.setdefault(cell, {}).setdefault(student["method"], []).append(student["last"])
    return {cell: {m: _mean(lasts) for m, lasts in methods.items()} for cell, methods in groups.items()}


def _mean(lasts: list[dict]) -> dict:
    matrices = [last.get("confusion") for last in lasts]
    confusion = None
    if all(matrices):
        counts = np.sum(matrices, axis=0, dtype=float)
        confusion = 100 * counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    return {"per_class": 100 * np.mean([last["per_class"] for last in lasts], axis=0), "confusion": confusion}


def class_tables(cells: dict[Cell, dict[str, dict]], names: list[str]) -> list[dict]:
    """For each cell a row of class accuracies per method; of many classes those in which methods differ most."""
    tables = []
    for (protocol, student, ipc), methods in cells.items():
        values = np.stack([found["per_class"] for found in methods.values()])
        width = values.shape[1]
        differ = np.argsort(-np.ptp(values, axis=0), kind="stable")[:MOST_CLASSES]
        shown = range(width) if width <= MOST_CLASSES else sorted(differ.tolist())
        tables.append(
            {"protocol": protocol, "student": student, "ipc": ipc, "classes": [names[c] for c in shown], "of": width}
            | {"rows": [(m, [float(row[c]) for c in shown]) for m, row in zip(methods, values, strict=True)]}
        )
    return tables


def confusion_changes(cells: dict[Cell, dict[str, dict]], baselines: list[str], names: list[str]) -> list[dict]:
    """For each method of the cells, what it confuses less and what more often than random real images do.

    A table for each cell. Entries are (class, taken for, per cent by random images, per cent by the method), largest
    change first; where the records have no confusion, or random images were not run, there is no row.
    """
    tables = []
    for (protocol, student, ipc), methods in cells.items():
        line = next((methods[name]["confusion"] for name in baselines if name in methods), None)
        rows = []
        for method, found in methods.items():
            if line is None or found["confusion"] is None or method in baselines:
                continue
            change = found["confusion"] - line
            np.fill_diagonal(change, 0)
            less, more = (_largest(sign * change, line, found["confusion"], names) for sign in (-1, 1))
            rows.append({"method": method, "less": less, "more": more})
        if rows:
            tables.append({"protocol": protocol, "student": student, "ipc": ipc, "rows": rows})
    return tables


def _largest(change: np.ndarray, line: np.ndarray, own: np.ndarray, names: list[str]) -> list[tuple]:
    order = np.argsort(-change, axis=None, kind="stable")[:MOST_CHANGES]
    places = [np.unravel_index(i, change.shape) for i in order]
    return [(names[a], names[b], float(line[a, b]), float(own[a, b])) for a, b in places if change[a, b] > 0]
