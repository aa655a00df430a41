"""Choices among the candidates of a class, from a pool or from real images: how they are made and told."""

import pandas as pd

from retort.base.errors import RetortError
from retort.base.files import whole_file
from retort.base.seeds import derive_seed
from retort.data.enough import check_enough
from retort.data.manifest import ClassEntry
from retort.parts.selections import Seen, Selection, mistake_of


def chosen_rows(
    selection: Selection, seen: Seen, entry: ClassEntry, count: int, seed: tuple[str | int, ...]
) -> list[dict]:
    """A row for each of the `count` candidates of a class that are kept: member, its position, and its columns.

    seed: what seeds the choice. Raises RetortError naming the class where they cannot be chosen from, and where a
    selection does not keep `count` different candidates, or does not say a value of a column for each.
    """
    check_enough(entry, count, found := seen.count())
    try:
        chosen = selection.choose(seen, count, derive_seed(*seed, entry.id) % 2**31)
    except ValueError as error:
        raise RetortError(f"class {entry.id}: {selection.blamed_for(error)}") from error
    if wrong := mistake_of(chosen, count, found):
        raise RetortError(
            f"class {entry.id}: the selection {selection.named_with_file()} {wrong}; this is a mistake in the code of "
            "the selection"
        )
    members = list(map(int, chosen.members))
    columns = {name: list(values) for name, values in chosen.columns.items()}
    return [{"member": m} | {name: values[i] for name, values in columns.items()} for i, m in enumerate(members)]


def write_choices(chosen: dict[ClassEntry, list[dict]], output: str, what: str, remedy: str) -> None:
    """CSV of class_index, index and the columns of the rows of each class, in their order.

    Warns of classes with images that the teacher takes for another class: `what` they were chosen from, and a `remedy`.
    """
    wrong = {entry.id: sum(row.get("correct") == 0 for row in rows) for entry, rows in chosen.items()}
    if listed := ", ".join(f"{class_id} ({count})" for class_id, count in wrong.items() if count):
        print(
            f"warning: the teacher recognised too few of {what}, so images that it takes for another class had to fill "
            f"{sum(map(bool, wrong.values()))} classes: {listed}. They are marked correct = 0 in the manifest. {remedy}"
        )
    table = [{"class_index": e.index, "index": i} | row for e, rows in chosen.items() for i, row in enumerate(rows)]
    with whole_file(output) as scratch:
        pd.DataFrame(table).to_csv(scratch, index=False)
