"""The card of an exported set, which stands alone: how it was made and is read, what was measured of it, a picture."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml
from tqdm import tqdm

from retort.artifacts.own_labels import own_record
from retort.base.files import read_json, whole_file, write_json
from retort.base.words import images_per_class
from retort.data.licences import hub_keys, terms_of_set
from retort.data.manifest import ClassEntry, read_classes
from retort.report import export_recipes
from retort.report.accuracy_table import accuracy_shown, note_of
from retort.report.numbers import read_numbers
from retort.report.public import public
from retort.report.set_card import head_of, origin_in_words, sources_and_steps

TEXTS = ("class_id", "class_name", "source")

PROVENANCE = "provenance.json"
SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}


def write_cards(
    distilled: Sequence[str],
    accuracy: str,
    sheets: Sequence[str],
    cards: Sequence[str],
    pictures: Sequence[str],
    provenances: Sequence[str],
    *,
    origins: Sequence[dict],
) -> None:
    """The cards of all exported sets, see `write_card`; `origins` has the `teacher_directory` of each too."""
    each = zip(distilled, sheets, cards, pictures, provenances, origins, strict=True)
    for directory, sheet, *made, of_set in tqdm(each, desc="writing", unit="card", total=len(distilled)):
        write_card(directory, accuracy, sheet, of_set["teacher_directory"], *made, about=of_set)


def write_card(
    distilled: str,
    accuracy: str,
    sheet: str,
    teacher: str | None,
    card: str,
    picture: str,
    record: str,
    *,
    about: dict,
) -> None:
    """README.md of an exported set, with a picture and, as `record`, the set's provenance.json.

    The card names no file but those beside it. It has the set's own words, the recipes for the Parquet file, and the
    rows of `accuracy` (a CSV) that are the set's. teacher: the directory of the one whose logits are exported. `about`:
    method, ipc, that teacher's name (`logits_of`), its part of the config (`teacher`), the `temperature` of the
    protocol that it labels for, and the protocols whose students learnt from stored labels of views (`view_labels`);
    of labels that the set brought, their file (`own_labels`), and temperatures by protocol (`own_temperatures`).
    """
    provenance, classes = public(read_json(Path(distilled, PROVENANCE))), read_classes(Path(distilled, "classes.csv"))
    if about.get("own_labels"):
        provenance["own_labels"] = public(own_record(about["own_labels"]))
    table = read_numbers(accuracy)
    own = table[(table["method"] == about["method"]) & (table["ipc"] == about["ipc"])].reset_index(drop=True)
    shown = accuracy_shown(own).drop(columns=["dataset", "method", "ipc"])
    write_json(record, provenance)
    with whole_file(picture) as scratch:
        shutil.copyfile(sheet, scratch)
    parts = [
        f"---\n{yaml.safe_dump(front_matter(provenance, classes, teacher is not None), sort_keys=False)}---",
        *head_of(provenance, classes),
        *sources_and_steps(provenance),
        *_reading(about, teacher, len(classes)),
        *_own_labels(about, provenance),
        *("## Measured accuracy", shown.to_markdown(index=False, disable_numparse=True), note_of(own)),
        *("## What it looks like", f"![Real training images on the left, the set on the right]({Path(picture).name})"),
    ]
    with whole_file(card) as scratch:
        scratch.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


def front_matter(provenance: dict, classes: Sequence[ClassEntry], soft: bool) -> dict:
    """What the hub reads of a card: the file that is the data set, its columns, the data's licence, task, tags."""
    features = [
        {"name": "image", "dtype": "image"},
        {"name": "label", "dtype": {"class_label": {"names": {str(c.index): c.id for c in classes}}}},
        *({"name": name, "dtype": "string"} for name in TEXTS),
        *([{"name": "logits", "list": "float16", "length": len(classes)}] if soft else []),
    ]
    count, name = provenance["images"], f"{provenance['dataset']} by {provenance['method']}"
    return hub_keys(*terms_of_set(provenance)) | {
        "pretty_name": f"{name}, {images_per_class(provenance['ipc'])}",
        "task_categories": ["image-classification"],
        "tags": ["dataset-distillation", "croissant", "retort", *(["soft-labels"] if soft else [])],
        "size_categories": [next((size for most, size in SIZES.items() if count < most), "1M<n<10M")],
        "configs": [{"config_name": "default", "data_files": "train.parquet"}],
        "dataset_info": {"features": features},
    }


def _reading(about: dict, teacher: str | None, classes: int) -> list[str]:
    """What the file holds and how it is read, whose soft labels it has, and what it does not hold."""
    return [
        "## How to read it",
        "`train.parquet` has the images (`image`: PNG files), `label`, the number of the class, `class_id`, "
        "`class_name` and `source`. The order of the classes stands in the file itself. `croissant.json` describes it "
        f"by MLCommons' Croissant 1.0, `{PROVENANCE}` has all settings and versions.",
        export_recipes.DATASETS,
        export_recipes.PARQUET,
        *(_logits(about, teacher) if teacher else []),
        export_recipes.TIMM.replace("{count}", str(classes)),
    ]


def _own_labels(about: dict, provenance: dict) -> list[str]:
    """What students learnt from that the set brought, and that it is not in the export."""
    if (record := provenance.get("own_labels")) is None:
        return []
    named = " and ".join(f"{name} (at temperature {t:g})" for name, t in about["own_temperatures"].items())
    return [
        "### Soft labels that the set brought",
        f"Students by {named} learnt from soft labels that came with the set: {record['name']}, read as "
        f"{record['kind']}, of {record['file']}, SHA-256 {record['sha256']}. Columns: {record['columns']}. The highest "
        f"label is that of the image's class for {record['agree']:.1%} of the images. They are no part of this export.",
    ]


def _logits(about: dict, teacher: str) -> list[str]:
    record = Path(teacher, "origin.json")
    origin = origin_in_words(public(read_json(record)) if record.exists() else None, public(about["teacher"]))
    temperature = f"{about['temperature']:g}"
    parts = [
        "### Soft labels",
        f"`logits` are those of the teacher {about['logits_of']} ({about['teacher']['arch']}) for each image as it "
        f"is, float16 and not softened. The teacher: {origin}. Students learn from them at temperature {temperature}:",
        export_recipes.LOGITS.replace("{temperature}", temperature),
    ]
    if about["view_labels"]:
        named = " and ".join(about["view_labels"])
        parts.append(
            f"Students by {named} learnt from the teacher's logits of augmented views of the images instead, which are "
            "no part of this export: with one label an image, accuracies may differ from those below."
        )
    return parts
