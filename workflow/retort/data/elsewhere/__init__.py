"""Sets that were made elsewhere: whose each image is, and how it is read, whichever form it comes in."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from retort.data.elsewhere.tensor_files import Rows

Pixels = Iterator[np.ndarray]
SOFT = ("logits", "soft_labels", "soft_label", "probabilities")  # what sets call their own soft labels


@dataclass(frozen=True)
class Asked:
    """What a config says of a set that was made elsewhere.

    path: where it lies. fewer: whether classes may have fewer images than are asked for. classes: their name of a
    class -> our class id, of the classes that are taken; None for all, as they are called. values: what the values of a
    tensor file mean (see `ranges`), None where that is to be found out. *_column: of Parquet, None for those that are
    described as such.
    """

    path: str
    fewer: bool = False
    classes: Mapping[str, str] | None = None
    values: str | Mapping[str, Sequence[float]] | None = None
    image_column: str | None = None
    label_column: str | None = None


@dataclass(frozen=True)
class FoundSet:
    """A set as it lies there, its images in the order in which they count.

    form: what it is, in words. classes: of each image, what the set calls its class.
    numbered: whether these are numbers of labels and not names. names: of each image, what the manifest calls it.
    read: (h, w, 3) uint8 of the images at these positions, which ascend, by so many threads. checksum: of what was
    given, for these positions. listed: what the set itself says of its labels, number -> name, and which file does.
    notes: what there is to say of it. soft: its own soft labels, (N, C) each, by the name that the file has for them;
    columns: the names of the C classes, where the file has them, and columns_in what of it does.
    """

    form: str
    classes: Sequence[str]
    numbered: bool
    names: Sequence[str]
    read: Callable[[Sequence[int], int], Pixels]
    checksum: Callable[[Sequence[int]], str]
    listed: Mapping[int, str] | None = None
    listed_in: str | None = None
    notes: Sequence[str] = field(default=())
    soft: Mapping[str, Rows] = field(default_factory=dict)
    columns: Sequence[str] | None = None
    columns_in: str | None = None


def note_of_soft_labels(names: Iterable[str]) -> list[str]:
    """What there is to say of soft labels among the columns or tensors of a set."""
    found = [name for name in names if name in SOFT]
    return [f"its own soft labels ({', '.join(found)}) are for protocols with labels: own"] if found else []
