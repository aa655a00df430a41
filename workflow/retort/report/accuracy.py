"""Accuracies as the page shows them: the table and the best of each cell."""

from collections.abc import Sequence

import pandas as pd

from retort.report.accuracy_table import BYTES, COMPUTE
from retort.report.numbers import gap, p_text, spread, values_in
from retort.report.published import HEADS, number
from retort.report.words import size

CELL = ["protocol", "student", "ipc"]
# The accuracy stands third, so that a telephone shows it beside the method without scrolling.
COLUMNS = [
    ("method", "method", "How the images came to be"),
    ("ipc", "images per class", "Images of each class in the set; all: the whole training set"),
    ("top1_last", "top-1, last", "Test accuracy after the last step, per cent: mean ± standard deviation over seeds"),
    ("protocol", "protocol", "How students were trained; constants below"),
    ("student", "student", "The network that was trained on the set"),
    ("seeds", "seeds", "Students trained, each from other initial weights"),
    ("top1_best", "top-1, best*", "Best test accuracy during training, chosen on the test set"),
    ("top5_last", "top-5, last", "The class is among the first five"),
    ("gap_to_random", "to random", "Points of top-1 above random real images of the same number"),
    ("p_random", "p", "Two-sided t-test of that gap, paired by seed or set; not corrected for the number of rows"),
    ("gap_to_unguided", "to unguided", "Points above plain samples of the same model"),
    ("gap_to_full", "to full", "Points above the whole training set"),
    ("reported", HEADS["reported"], "Top-1 that a paper reports for the same row, the best epoch unless it says last"),
    ("gap_to_reported", HEADS["gap_to_reported"], "Points of our top-1, best or last as in the paper, above that"),
    (
        "reported_other",
        HEADS["reported_other"],
        "Top-1 of a paper that has another teacher, or does not state its epoch",
    ),
]
# What more there is to say of the same rows, in tables of their own: one with all would be wider than paper.
_ROW = [column for column in COLUMNS if column[0] in ("method", "ipc", "protocol", "student")]
SPREAD = [
    *_ROW,
    ("top1_last_median", "median", "Median of top-1, last, over seeds"),
    ("sets", "sets", "Independent sets of the method, each by a seed of its own"),
    ("top1_last_std_between", "± of sets", "Standard deviation between the sets' means, without that of students"),
    ("top1_last_std_within", "± in a set", "Standard deviation between students of one set"),
    ("top1_last_seeds", "each seed", "Top-1, last, of each seed in its order, set by set"),
    ("gap_to_random_low", "to random, 95 %", "Interval of the difference to random images, by pairs of one seed"),
    ("p_random_holm", "its p, Holm", "p of the same, corrected for the number of rows by Holm's method"),
    ("gap_to_unguided_low", "to unguided, 95 %", "Interval of the difference to plain samples of the same model"),
    ("p_unguided_holm", "this p, Holm", "p of the same, corrected for the number of rows by Holm's method"),
]
COMPUTE_AND_BYTES = [
    *_ROW,
    ("updates", "updates", "Optimiser steps that a student was trained for"),
    ("images_seen", "images seen", "Views of images in all of these steps together"),
    ("image_bytes", "images", "Bytes of the set's image files"),
    ("label_bytes", "labels", "Bytes of its stored labels and views; of a teacher that is asked online, its weights"),
    ("bytes", "bytes", "Of images and labels together"),
]
SORTED_LAST = 10**9  # the whole training set, among numbers of images


def accuracy_view(table: pd.DataFrame, upper_bounds: list[str], wanted: Sequence[tuple] = COLUMNS) -> dict:
    """Those `wanted` columns (key, head, explanation) that are not empty, and rows of cells {text, value, note} by key.

    A row's `best` says that no other set of its protocol, student and number of images has a higher mean top-1.
    """
    present = {"top1_last": "top1_last_mean", "top1_best": "top1_best_mean", "top5_last": "top5_last_mean"}
    columns = [c for c in wanted if (name := present.get(c[0], c[0])) in table and table[name].notna().any()]
    highest = table[~table["method"].isin(upper_bounds)].groupby(CELL)["top1_last_mean"].max()
    rows = []
    for row in table.to_dict("records"):
        top = highest.get(tuple(row[key] for key in CELL))
        cells = {key: _cell(row, key) for key, _, _ in columns}
        rows.append({"cells": cells, "best": row["top1_last_mean"] == top and row["method"] not in upper_bounds})
    return {"columns": columns, "rows": rows, "filters": {key: _distinct(table, key) for key in CELL}}


def of_method(view: dict, method: str) -> dict:
    """The rows of one method, without the column that names it."""
    rows = [row for row in view["rows"] if row["cells"]["method"]["value"] == method]
    return view | {"columns": [column for column in view["columns"] if column[0] != "method"], "rows": rows}


def _distinct(table: pd.DataFrame, key: str) -> list[str]:
    return list(table[key].drop_duplicates())


def _cell(row: dict, key: str) -> dict:
    """Text, the value by which a column is sorted (none for an empty cell), and what more there is to say."""
    value = row[f"{key}_mean"] if f"{key}_mean" in row else row[key]
    if pd.isna(value):
        return {"text": "", "value": "", "note": ""}
    text, note = str(value), ""
    if key == "protocol" and row.get("protocol_id", value) != value:
        note = row["protocol_id"]
    elif key == "ipc":
        value = SORTED_LAST if value == "all" else int(value)
    elif key == "seeds" and row["missing_seeds"]:
        text = f"{value} of {value + row['missing_seeds']}"
    elif f"{key}_mean" in row:
        text = spread(value, row[f"{key}_std"]) + (" †" if key == "top1_last" and row["collapsed"] else "")
    elif key == "sets" and not row["sets_vary"]:
        text = f"{value}, always the same"
    elif key in ("top1_last_median", "top1_last_std_between", "top1_last_std_within"):
        text = f"{value:.1f}"
    elif key == "top1_last_seeds":
        text = " ".join(f"{one:.1f}" for one in values_in(value))
    elif key.endswith("_low"):
        text = f"{value:+.1f} to {row[key.removesuffix('low') + 'high']:+.1f}"
    elif key.startswith("p_"):
        text = p_text(value)
    elif key in ("reported", "reported_other"):
        text, note = number(row, key), row[f"{key}_by"]
    elif key in COMPUTE:
        text = f"{value:,}"
    elif key in (*BYTES, "bytes"):
        text = size(value)
    elif key.startswith("gap_"):
        text = gap(value)
    return {"text": text, "value": value, "note": note}


def headlines(table: pd.DataFrame, baselines: list[str], upper_bounds: list[str]) -> list[dict]:
    """For each protocol, student and number of images: the method of highest mean, the two lines, the gap and its p."""
    found = []
    for (protocol, student, ipc), group in table.groupby(CELL, sort=False):
        methods = group[~group["method"].isin([*baselines, *upper_bounds])]
        if methods.empty:
            continue
        best = methods.loc[methods["top1_last_mean"].idxmax()]
        same = (table["protocol"] == protocol) & (table["student"] == student)
        found.append(
            {"protocol": protocol, "student": student, "ipc": ipc, "method": best["method"], "of": len(methods)}
            | {"top1": spread(best["top1_last_mean"], best["top1_last_std"]), "p": p_text(best["p_random"])}
            | {"gap": gap(best["gap_to_random"])}
            | {"random": _line(group, baselines), "full": _line(table[same], upper_bounds)}
        )
    return found


def _line(table: pd.DataFrame, names: list[str]) -> str:
    rows = table[table["method"].isin(names)]
    return spread(rows["top1_last_mean"].iloc[0], rows["top1_last_std"].iloc[0]) if len(rows) else ""
