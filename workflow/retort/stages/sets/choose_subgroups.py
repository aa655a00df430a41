"""Choose one group of generated images for each class, with all classes in view: a table of which images."""

from collections.abc import Sequence
from functools import partial

from tqdm import tqdm

from retort.artifacts.choices import write_choices
from retort.artifacts.subgroups import read_centroids
from retort.base.errors import RetortError
from retort.base.words import counted
from retort.data.manifest import read_classes
from retort.parts.selections import OfAllClasses


def choose_subgroups(
    centroids: Sequence[str], class_table: str, selection: str, *, select: OfAllClasses, ipc: int
) -> None:
    """CSV of class_index, index, member (of the pool) and subgroup; `ipc` rows a class, of all classes.

    centroids: what `describe_subgroups` writes, of all shards. Raises RetortError where they cannot be chosen from.
    """
    try:
        found = select.choose_groups(*read_centroids(centroids), partial(tqdm, desc="choosing", unit="class"))
    except ValueError as error:
        raise RetortError(f"the selection {select.named_with_file()}: {error}") from error
    first, last = found.values[0], found.values[-1]
    passes = counted(len(found.values) - 1, "pass", "passes")
    print(f"objective: {first:.6g} with the groups nearest to the real images, {last:.6g} after {passes}")
    rows = {
        entry: [{"member": group * ipc + i, "subgroup": group} for i in range(ipc)]
        for entry, group in zip(read_classes(class_table), found.chosen.tolist(), strict=True)
    }
    write_choices(rows, selection, "the pool", "")
