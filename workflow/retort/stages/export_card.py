"""The card of an exported set: the set's own, with what was measured of it and a picture."""

import shutil
from pathlib import Path

from retort.data.files import read_json, whole_file
from retort.stages.set_card import origin_in_words
from retort.stages.shown import read_numbers
from retort.stages.tabulate import accuracy_shown, note_of


def write_card(
    distilled: str, accuracy: str, sheet: str, teacher: str | None, card: str, picture: str, *, about: dict
) -> None:
    """README.md of an exported set: the card of the set, the rows of `accuracy` (a CSV) that are its own, a picture.

    teacher: the directory of the one whose logits are exported. `about`: method, ipc, that teacher's name (`logits_of`)
    and its part of the config (`teacher`), and where the labels of augmented views lie (`view_labels`).
    """
    table = read_numbers(accuracy)
    own = table[(table["method"] == about["method"]) & (table["ipc"] == about["ipc"])].reset_index(drop=True)
    shown = accuracy_shown(own).drop(columns=["dataset", "method", "ipc"])
    with whole_file(picture) as scratch:
        shutil.copyfile(sheet, scratch)
    parts = [
        *(_FRONT, Path(distilled, "card.md").read_text(encoding="utf-8"), _labels_in_words(about, teacher)),
        *("## Measured accuracy", shown.to_markdown(index=False, disable_numparse=True), note_of(own)),
        *("## What it looks like", f"![Real training images on the left, the set on the right]({Path(picture).name})"),
    ]
    with whole_file(card) as scratch:
        scratch.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


# Says which of the files beside it are the data set.
_FRONT = """---
configs:
- config_name: default
  data_files: train.parquet
---"""
_EXPORTED = """## The Parquet file

`train.parquet` beside this card has the same images (`image`), with `label` in the order of `classes.csv`, `class_id`,
`class_name` and `source`; `load_dataset` of this folder gives all of it."""


def _labels_in_words(about: dict, teacher: str | None) -> str:
    """What the file holds, whose soft labels it has, and where those of augmented views lie, which it cannot hold."""
    said = [_EXPORTED]
    if teacher:
        record = Path(teacher, "origin.json")
        origin = origin_in_words(read_json(record) if record.exists() else None, about["teacher"])
        said.append(
            f"`logits` are those of the teacher {about['logits_of']} ({about['teacher']['arch']}) for each image as it "
            f"is, float16 and not softened. The teacher: {origin}."
        )
    if about["view_labels"]:
        where = ", ".join(f"`{path}`" for path in about["view_labels"])
        said.append(f"The labels that students learnt from, with the view that each is of, are in {where}.")
    return "\n\n".join(said)
