"""Numbers that papers report, beside those that were measured."""

from collections.abc import Sequence

import pandas as pd

from retort.artifacts.students import CELL
from retort.report.numbers import gap, spread

TABLES = ("author's table", "another paper's table")  # a number of another status says so wherever it stands
HEADS = {"reported": "published", "gap_to_reported": "to published", "reported_other": "published, other teacher"}
NOTE = (
    "published: what a paper reports for the same row, from its best epoch unless it says last. to published: our mean "
    "of the same epoch minus it. published, other teacher: the same where the paper's teacher is another one, or where "
    "it does not say which epoch counts."
)


def with_reported(table: pd.DataFrame, reported: Sequence[dict], tested: dict[tuple, int | None]) -> pd.DataFrame:
    """`table` with columns of published numbers (top-1 in per cent), empty where nothing was published.

    `reported` are the rows of `plan.reported.reported_for`. Where nothing differs they fill reported, reported_std,
    reported_epoch, reported_status, reported_by and gap_to_reported, our mean of the epoch that the paper counts minus
    its number; where the teacher or the epoch differs, reported_other, reported_other_std, reported_other_status and
    reported_other_by, which says what differs. `tested` has the number of test images behind a row, None where it is
    not known: a number on another test set is left out.
    """
    known = {tuple(row[key] for key in CELL[1:]): row for row in reported}
    rows = []
    for cell in table[CELL].itertuples(index=False, name=None):
        row = known.get(cell[1:], {})
        counts = {tested.get(cell), row.get("test_images")} - {None}
        rows.append(row if len(counts) < 2 else {})
    same = [row if not row.get("differs") else {} for row in rows]
    other = [row | {"source": f"{row['source']}; {row['differs']}"} if row.get("differs") else {} for row in rows]
    counted = [f"top1_{row.get('epoch') or 'best'}_mean" for row in same]
    means = [ours[column] for ours, column in zip(table.to_dict("records"), counted, strict=True)]
    numbers = _column(same, "top1", float)
    return table.assign(
        reported=numbers,
        reported_std=_column(same, "std", float),
        reported_epoch=_column(same, "epoch"),
        reported_status=_column(same, "status"),
        reported_by=_column(same, "source"),
        gap_to_reported=means - numbers,
        reported_other=_column(other, "top1", float),
        reported_other_std=_column(other, "std", float),
        reported_other_status=_column(other, "status"),
        reported_other_by=_column(other, "source"),
    )


def _column(rows: Sequence[dict], key: str, dtype: type = object) -> pd.Series:
    return pd.Series([row.get(key) for row in rows], dtype=dtype)


def published_shown(table: pd.DataFrame) -> dict[str, list[str]]:
    """The columns for people by their heads, without those that are empty."""
    shown = {}
    for column, head in HEADS.items():
        if column in table and table[column].notna().any():
            rows = table.to_dict("records")
            shown[head] = [gap(row[column]) if column.startswith("gap") else number(row, column) for row in rows]
    return shown


def number(row: dict, column: str) -> str:
    """A published number as text: its standard deviation where known, that it is of the last epoch, and any doubt."""
    if pd.isna(row[column]):
        return ""
    said = ["last"] * (row.get(f"{column}_epoch") == "last")
    said += [row[f"{column}_status"]] * (row[f"{column}_status"] not in TABLES)
    return spread(row[column], row[f"{column}_std"]) + (f" ({', '.join(said)})" if said else "")
