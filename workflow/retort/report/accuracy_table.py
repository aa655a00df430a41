"""Rows of accuracy from the records of students, and how people read them."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from retort.artifacts.students import CELL
from retort.evaluation.spread import COLLAPSED, collapsed, components
from retort.report import numbers as shown
from retort.report import published
from retort.report.differences import differences

BYTES = ["image_bytes", "label_bytes"]
COMPUTE = {"updates": "steps", "images_seen": "views"}  # column -> what a student's record calls it
MEASURES = {"top1_last": ("last", "top1"), "top1_best": ("best", "top1"), "top5_last": ("last", "top5")}


def accuracy_table(
    students: Sequence[dict],
    random: list[str],
    full: list[str],
    wanted: Sequence[dict] = (),
    unguided: dict[str, str] | None = None,
) -> pd.DataFrame:
    """The rows described at `tabulate_accuracy`, in the order in which the students come.

    missing_seeds counts the wanted seeds that are not there. updates and images_seen are the optimiser steps of one
    student, and the views of images in all of them. image_bytes and label_bytes are what the set and its labels take as
    they are stored (see `stored_bytes`), bytes their sum; empty for the full set, whose images stay where they were.
    top1_last_seeds has the last top-1 of each seed, in their order, set by set, and collapsed how many of these lie
    below `spread.COLLAPSED` of their median. sets counts the independent sets of a row, whose students are those of all
    of them; top1_last_std_between and top1_last_std_within are the two parts of their spread (`spread.components`).
    gap_to_random and gap_to_full are differences of mean last top-1 to the two lines, empty where they were not run;
    with `unguided`, gap_to_unguided is that to the method which it gives for one. For the other columns of the
    differences to random images and to unguided ones see `differences`.
    """
    students = _frame(students)
    groups = students.groupby(CELL, sort=False)
    table = groups.size().rename("seeds").to_frame().join(groups[[*COMPUTE, *BYTES]].first())
    for name in MEASURES:
        table[f"{name}_mean"] = groups[name].mean()
        table[f"{name}_std"] = groups[name].std()  # unbiased; empty for a single seed
    last = groups["top1_last"]
    place = table.columns.get_loc("top1_last_std") + 1
    found = {"top1_last_median": last.median(), **_by_set(students)}
    for i, (name, column) in enumerate({**found, "collapsed": last.agg(collapsed).astype(int)}.items()):
        table.insert(place + i, name, column)
    table.insert(1, "sets", groups["set_seed"].nunique())
    table[BYTES] = table[BYTES].astype("Int64")  # whole numbers that may be missing
    table.insert(table.columns.get_loc(BYTES[-1]) + 1, "bytes", table[BYTES].sum(axis=1, skipna=False))
    table = table.reset_index()
    expected = Counter()
    for row in wanted:
        expected[tuple(row[key] for key in CELL[1:])] += row["seeds"]
    cells = table[CELL[1:]].itertuples(index=False, name=None)
    table.insert(
        len(CELL) + 2, "missing_seeds", [expected.get(c, n) - n for c, n in zip(cells, table["seeds"], strict=True)]
    )
    table["gap_to_random"] = _gap(table, random, ["dataset", "ipc", "protocol", "student"])
    table = table.join(differences(students, table, lambda method: [] if method in random else random, "random"))
    if unguided is not None:
        table["gap_to_unguided"] = gap_to_unguided(table, unguided)
        table = table.join(
            differences(students, table, lambda method: list(filter(None, [unguided.get(method)])), "unguided")
        )
    table["gap_to_full"] = _gap(table, full, ["dataset", "protocol", "student"])
    return table


def _by_set(students: pd.DataFrame) -> dict[str, pd.Series]:
    """By CELL: the standard deviation between the sets and within a set, and every last top-1."""
    cells = students.sort_values(["set_seed", "seed"]).groupby(CELL)
    sets = cells.apply(lambda cell: [list(values) for _, values in cell.groupby("set_seed")["top1_last"]])
    parts = sets.map(components)
    return {
        "top1_last_std_between": parts.str[0],
        "top1_last_std_within": parts.str[1],
        "top1_last_seeds": sets.map(lambda values: shown.BETWEEN_SETS.join(map(shown.listed, values))),
    }


def _frame(records: Sequence[dict]) -> pd.DataFrame:
    """CELL, set_seed, seed, what COMPUTE and BYTES name, and MEASURES in per cent, a row for each student."""
    flat = [
        {key: s[key] for key in [*CELL, "seed"]}
        | {"set_seed": s.get("set_seed", 0)}
        | {column: s[key] for column, key in COMPUTE.items()}
        | {column: s[column] for column in BYTES}
        | {name: 100 * s[when][what] for name, (when, what) in MEASURES.items()}
        for s in records
    ]
    return pd.DataFrame(flat)


def test_images(record: dict) -> int | None:
    """How many images a student was tested on; None for data sets of so many classes that it is not recorded."""
    confusion = record["last"].get("confusion")
    return None if confusion is None else sum(map(sum, confusion))


def _gap(table: pd.DataFrame, lines: list[str], same: list[str]) -> pd.Series:
    """Mean last top-1 minus that of the first method of `lines` with the same values in the columns `same`."""
    line = table[table["method"].isin(lines)].drop_duplicates(same).set_index(same)["top1_last_mean"]
    keys = pd.MultiIndex.from_frame(table[same])
    return table["top1_last_mean"] - line.reindex(keys).to_numpy()


def gap_to_unguided(table: pd.DataFrame, unguided: dict[str, str]) -> list[float]:
    """Mean last top-1 minus that of the method that only samples from the same model; empty where it was not run."""
    means = table.set_index(CELL)["top1_last_mean"].to_dict()
    lines = table.assign(method=table["method"].map(unguided))[CELL].itertuples(index=False, name=None)
    return [own - means.get(line, float("nan")) for own, line in zip(table["top1_last_mean"], lines, strict=True)]


COLLAPSED_NOTE = f"†: with a student below {COLLAPSED:.0%} of the median of its row, which the mean hides."
NOTE = (
    "Test accuracy in per cent, mean ± standard deviation over seeds. * best is chosen on the test set. "
    "p: two-sided t-test of last top-1 against random images, paired by seed (by set where a row has several); not "
    "corrected for the number of rows."
)


def accuracy_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The same rows as text for people: mean ± standard deviation; "2 of 3" where seeds are missing."""

    def spread(name: str) -> list[str]:
        return [shown.spread(*pair) for pair in zip(table[f"{name}_mean"], table[f"{name}_std"], strict=True)]

    def marked() -> list[str]:
        return [f"{text} †" if n else text for text, n in zip(spread("top1_last"), table["collapsed"], strict=True)]

    def seeds() -> list[str]:
        pairs = zip(table["seeds"], table["missing_seeds"], strict=True)
        return [f"{there} of {there + missing}" if missing else str(there) for there, missing in pairs]

    def gaps(line: str) -> list[str]:
        return [shown.gap(gap) for gap in table[f"gap_to_{line}"]]

    texts = table[CELL].assign(
        **{
            "seeds": seeds(),
            "top-1 last": marked(),
            "top-1 best*": spread("top1_best"),
            "top-5 last": spread("top5_last"),
            "to random": gaps("random"),
            "p": [shown.p_text(p) for p in table["p_random"]],
            "to full": gaps("full"),
        }
    )
    if "gap_to_unguided" in table:
        texts.insert(texts.columns.get_loc("to full"), "to unguided", gaps("unguided"))
    if "protocol_id" in table:
        texts["protocol"] = [
            name if name == known else f"{name} ({known})"
            for name, known in zip(table["protocol"], table["protocol_id"], strict=True)
        ]
    return texts.assign(**published.published_shown(table))


def note_of(table: pd.DataFrame) -> str:
    """What is to be said below the table, of students that collapsed and of published numbers where there are some."""
    said = {COLLAPSED_NOTE: table["collapsed"].any(), published.NOTE: published.published_shown(table)}
    return " ".join([NOTE, *(note for note, there in said.items() if there)])


def accuracy_latex(texts: pd.DataFrame, note: str = NOTE) -> str:
    """The same as a booktabs table, with the note as its caption."""
    text = texts.to_latex(
        index=False, escape=True, caption=_latex_text(note), column_format="lllllr" + "r" * (len(texts.columns) - 6)
    )
    return text.replace(" ± ", r" $\pm$ ").replace(" †", r" $\dagger$")


def _latex_text(text: str) -> str:
    return text.replace("±", r"$\pm$").replace("†", r"$\dagger$").replace("%", r"\%")
