"""Differences of rows to the rows that they are compared with: their interval, p, and p corrected for all rows."""

from collections.abc import Callable, Sequence

import pandas as pd

from retort.artifacts.students import CELL
from retort.evaluation.spread import holm, paired_test

LineOf = Callable[[str], Sequence[str]]


def differences(students: pd.DataFrame, table: pd.DataFrame, line_of: LineOf, name: str) -> pd.DataFrame:
    """gap_to_NAME_low, gap_to_NAME_high, p_NAME and p_NAME_holm, a row for each of the table's.

    students: CELL, seed and top1_last of each. The line of a method is the first of `line_of(method)` that was run in
    its place. Values are paired by seed, since a seed has the same initial weights for every set. Cells are empty for
    fewer than two pairs, and where all differences are equal. Holm's correction is over all rows of the table.
    """
    last = {cell: group.set_index("seed")["top1_last"] for cell, group in students.groupby(CELL)}
    found = [
        paired_test(_paired(last, row, [line for line in line_of(row["method"]) if line != row["method"]]))
        for row in table[CELL].to_dict("records")
    ]
    columns = [f"gap_to_{name}_low", f"gap_to_{name}_high", f"p_{name}"]
    tested = pd.DataFrame(found, columns=columns, index=table.index)
    return tested.assign(**{f"p_{name}_holm": holm(tested[f"p_{name}"])})


def _paired(last: dict[tuple, pd.Series], row: dict, lines: Sequence[str]) -> list[float]:
    """Differences to the first line that is there, of the seeds that both have."""
    cells = (tuple((row | {"method": line}).values()) for line in lines)
    line = next((last[cell] for cell in cells if cell in last), pd.Series(dtype=float))
    return (last[tuple(row.values())] - line).dropna().tolist()
