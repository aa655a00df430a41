"""The set that lies at a path, whichever form it has."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retort.base.errors import RetortError
from retort.data.elsewhere import Asked, FoundSet
from retort.data.elsewhere.class_names import Meaning, meant_classes, read_listing
from retort.data.elsewhere.forms import form_of, listing_beside
from retort.data.elsewhere.in_folders import found_in_archive, found_in_folders
from retort.data.elsewhere.in_parquet import found_in_parquet
from retort.data.elsewhere.in_tensors import found_in_tensors
from retort.data.elsewhere.picked import in_words, picked
from retort.data.elsewhere.tensor_files import ReadPickle
from retort.data.manifest import ClassEntry


def find_set(asked: Asked, tensors_of: ReadPickle) -> FoundSet:
    """With the labels' own list that lies beside the set, if there is one.

    tensors_of: what takes tensors out of a .pt and runs nothing. Raises RetortError as the forms do.
    """
    path = Path(asked.path)
    form = form_of(path)
    if form == "tensors":
        found = found_in_tensors(path, asked, tensors_of)
    elif form == "parquet":
        found = found_in_parquet(path, asked)
    else:
        found = found_in_folders(path) if form == "folders" else found_in_archive(path)
    listing = listing_beside(path)
    return replace(found, listed=read_listing(listing), listed_in=str(listing)) if listing else found


def refused(method: str, path: str, error: RetortError) -> RetortError:
    """The error of a method's set at a path after its place in the config, in which the path stands once."""
    place, said = f"methods.{method}.images: {path}", str(error)
    same = said.startswith((f"{path} ", f"{path}: "))
    return RetortError(f"{place}{said.removeprefix(path)}" if same else f"{place}: {said}")


@dataclass(frozen=True)
class Taken:
    """What is taken of a set: meaning, our label of each of its names; positions, of the images of each class."""

    meaning: Meaning
    positions: list[list[int]]

    @property
    def cells(self) -> dict[int, tuple[int, int]]:
        """Position -> (class index, index within the class), positions ascending."""
        pairs = ((p, (label, i)) for label, members in enumerate(self.positions) for i, p in enumerate(members))
        return dict(sorted(pairs))

    @property
    def rows(self) -> dict[tuple[int, int], int]:
        """Cell -> its row, class by class, in label order."""
        return {cell: row for row, cell in enumerate(sorted(self.cells.values()))}


def taken_of(found: FoundSet, asked: Asked, classes: Sequence[ClassEntry], ipc: int) -> Taken:
    """Raises RetortError as `meant_classes` and `picked` do."""
    own = (found.numbered, found.listed, found.listed_in, asked.classes)
    meaning = meant_classes(set(found.classes), classes, *own)
    return Taken(meaning, picked(found.classes, meaning, classes, ipc, asked.fewer))


def said_of(found: FoundSet, taken: Taken, ipc: int) -> list[str]:
    """What there is to say of the set and of what is taken of it."""
    return [*found.notes, *in_words(found.classes, taken.meaning, taken.positions, ipc)]
