"""Differences of rows to the rows that they are compared with: their interval, p, and p corrected for all rows."""

from collections.abc import Callable, Sequence

import pandas as pd

from retort.artifacts.students import CELL
from retort.evaluation.spread import holm, paired_test

LineOf = Callable[[str], Sequence[str]]


def differences(students: pd.DataFrame, table: pd.DataFrame, line_of: LineOf, name: str) -> pd.DataFrame:
    """gap_to_NAME_low, gap_to_NAME_high, p_NAME and p_NAME_holm, a row for each of the table's.

    students: CELL, set_seed, seed and top1_last of each. The line of a method is the first of `line_of(method)` that
    was run in its place. Values are paired as `_paired` says. Cells are empty for fewer than two pairs, and where all
    differences are equal. Holm's correction is over all rows of the table.
    """
    last = {cell: group.set_index(["set_seed", "seed"])["top1_last"] for cell, group in students.groupby(CELL)}
    found = []
    for row in table[CELL].to_dict("records"):
        cells = (tuple((row | {"method": line}).values()) for line in line_of(row["method"]) if line != row["method"])
        line = next((last[cell] for cell in cells if cell in last), None)
        found.append(paired_test([] if line is None else _paired(last[tuple(row.values())], line)))
    columns = [f"gap_to_{name}_low", f"gap_to_{name}_high", f"p_{name}"]
    tested = pd.DataFrame(found, columns=columns, index=table.index)
    return tested.assign(**{f"p_{name}_holm": holm(tested[f"p_{name}"])})


def _paired(own: pd.Series, line: pd.Series) -> list[float]:
    """Differences of what may be paired, by set_seed and seed.

    A seed has the same initial weights for every set, so where both have one set their students are paired by it.
    Students of one set share what that set is worth, so of several sets it is the sets that are paired, by their seed:
    the mean difference of their students. A row of one set is compared with each set of the other.
    """
    sets = [list(dict.fromkeys(values.index.get_level_values("set_seed"))) for values in (own, line)]
    if [len(found) for found in sets] == [1, 1]:
        return (own.droplevel(0) - line.droplevel(0)).dropna().tolist()
    if 1 in map(len, sets):
        pairs = [(one, other) for one in sets[0] for other in sets[1]]
    else:
        pairs = [(one, one) for one in sets[0] if one in sets[1]]
    means = [(own[one] - line[other]).dropna().mean() for one, other in pairs]
    return [mean for mean in means if not pd.isna(mean)]
