"""What a class is called in a prompt, and which classes a text-to-image model cannot tell apart by it."""

import unicodedata
from collections.abc import Mapping, Sequence

from retort.data.imagenet import imagenet_names


def first_name(name: str) -> str:
    """The first of a class's names: "tench" of "tench, Tinca tinca"."""
    return name.split(",")[0].strip()


def prompted_alike(names: Mapping[str, str]) -> list[list[str]]:
    """Class ids by groups of two or more whose first names a tokenizer takes for the same text; names: by class id.

    Tokenizers of CLIP lower the case, compose letters and take any white space for one space.
    """
    groups: dict[str, list[str]] = {}
    for class_id, name in names.items():
        text = " ".join(unicodedata.normalize("NFC", first_name(name)).lower().split())
        groups.setdefault(text, []).append(class_id)
    return [ids for text, ids in groups.items() if len(ids) > 1 and text]


def alike(ids: Sequence[str], names: Mapping[str, str]) -> str:
    """What to say of such a group."""
    return (
        f"classes {' and '.join(ids)} have the same name in a prompt, {first_name(names[ids[0]])!r}, so a "
        "text-to-image model cannot distinguish them (only what stands before the first comma is used, in lower case); "
        "give them names that differ there in dataset.class_names"
    )


def named_by_imagenet(ids: Sequence[str], names: Mapping[str, str]) -> bool:
    """Whether these classes are called as ImageNet calls them, and so as papers prompt them."""
    return all(imagenet_names().get(class_id) == names[class_id] for class_id in ids)
