"""ImageNet's 1,000 classes in the order of every published head, their names, and the subsets that papers use.

Order and names come with timm; only its text files are read, because importing it takes seconds. The subsets are
those of the papers' code, in their order (imagenet_subsets.csv).
"""

import csv
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from retort.base.errors import RetortError

SUBSETS = Path(__file__).with_name("imagenet_subsets.csv")
FULL = "imagenet1k"


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 wnids in label order."""
    return tuple(_timm_file("imagenet_synsets.txt").read_text().split())


@cache
def imagenet_names() -> dict[str, str]:
    """Readable name per wnid, synonyms separated by commas."""
    rows = (line.split("\t") for line in _timm_file("imagenet_synset_to_lemma.txt").read_text().splitlines())
    wanted = set(imagenet_classes())
    return {wnid: name for wnid, name in rows if wnid in wanted}


@cache
def subset_names() -> tuple[str, ...]:
    """What `subset_classes` knows."""
    return (FULL, *dict.fromkeys(row["subset"] for row in _subset_rows()))


@cache
def subset_classes(name: str) -> tuple[str, ...]:
    """The wnids of a subset in its label order. Raises RetortError for an unknown one."""
    if name == FULL:
        return imagenet_classes()
    rows = [row for row in _subset_rows() if row["subset"] == name]
    if not rows:
        raise RetortError(f"there is no subset {name!r} of ImageNet; known are {', '.join(subset_names())}")
    return tuple(row["wnid"] for row in sorted(rows, key=lambda row: int(row["position"])))


def _subset_rows() -> list[dict[str, str]]:
    with open(SUBSETS, newline="") as handle:
        return list(csv.DictReader(handle))


def _timm_file(name: str) -> Path:
    return Path(find_spec("timm").origin).parent / "data" / "_info" / name
