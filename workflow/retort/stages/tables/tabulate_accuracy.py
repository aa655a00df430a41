"""The table of accuracy that users read, as CSV, Markdown and LaTeX."""

from collections.abc import Sequence

from retort.artifacts.students import CELL, read_students
from retort.base.files import whole_file
from retort.report import numbers as shown
from retort.report import published
from retort.report.accuracy_table import (
    accuracy_latex,
    accuracy_shown,
    accuracy_table,
    note_of,
    test_images,
)
from retort.report.joined_sets import joined

P_VALUES = [f"p_{name}{corrected}" for name in ("random", "unguided") for corrected in ("", "_holm")]


def tabulate_accuracy(
    students: Sequence[str],
    csv: str,
    markdown: str,
    latex: str,
    *,
    random: list[str],
    full: list[str],
    unguided: dict[str, str],
    wanted: list[dict],
    protocols: dict[str, str],
    reported: list[dict],
    sets: dict[str, dict] | None = None,
    one_set: Sequence[str] = (),
) -> None:
    """One row per (dataset, method, ipc, protocol, student): means and standard deviations over seeds, in per cent.

    `random` and `full` name the methods that are baseline and upper bound, see `accuracy_table`; `unguided` gives
    for a method the one that only samples from its model; `wanted` says for each row without its data set how many
    seeds it should have; `protocols` gives the id of each; `reported` has the numbers that papers report for some rows
    (see `published.with_reported`); `sets` says which methods are other sets of one, whose students go into its row
    (see `joined`), and `one_set` which draw nothing, so that `sets_vary` is false for them. The same rows as CSV,
    Markdown and LaTeX.
    """
    records = joined(read_students(students), sets or {})
    wanted = joined(wanted, sets or {})
    table = accuracy_table(records, random, full, wanted, unguided)
    table.insert(table.columns.get_loc("sets") + 1, "sets_vary", ~table["method"].isin(one_set))
    table.insert(table.columns.get_loc("protocol") + 1, "protocol_id", table["protocol"].map(protocols))
    teachers = {tuple(record[key] for key in CELL): record["teacher_arch"] for record in records}
    cells = table[CELL].itertuples(index=False, name=None)
    table.insert(table.columns.get_loc("protocol_id") + 1, "labelled_by", [teachers[cell] for cell in cells])
    tested = {tuple(record[key] for key in CELL): test_images(record) for record in records}
    table = shown.kept(published.with_reported(table, reported, tested))
    with whole_file(csv) as scratch:
        shown.save_numbers(table, scratch, dict.fromkeys(P_VALUES, 4))
    texts = accuracy_shown(table)
    with whole_file(markdown) as scratch:
        scratch.write_text(texts.to_markdown(index=False, disable_numparse=True) + f"\n\n{note_of(table)}\n")
    with whole_file(latex) as scratch:
        scratch.write_text(accuracy_latex(texts, note_of(table)))
    print(texts.to_markdown(index=False, disable_numparse=True))
