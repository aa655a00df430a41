"""The manifest: every usable image with its split and class, and the one class order that all labels use."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retort.data.files import read_rows, whole_file

COLUMNS = ["split", "row", "path", "class_id", "class_name", "class_index", "image_id", "width", "height"]


@dataclass(frozen=True)
class ClassEntry:
    """One class: its place in the label order, its id (a folder name), its readable name."""

    index: int
    id: str
    name: str


def write_manifest(images: pd.DataFrame, classes: list[ClassEntry], manifest: Path, table: Path) -> None:
    """`images` as Parquet (COLUMNS; `row` numbers them within their split) and the class table as CSV."""
    images = images.assign(row=images.groupby("split").cumcount())
    with whole_file(manifest) as scratch:
        images[COLUMNS].to_parquet(scratch, index=False)
    with whole_file(table) as scratch:
        pd.DataFrame([vars(c) for c in classes]).to_csv(scratch, index=False)


def read_classes(table: str | Path) -> list[ClassEntry]:
    """The class table, in label order."""
    return [ClassEntry(int(row["index"]), row["id"], row["name"]) for row in read_rows(table)]


def read_split(manifest: str | Path, split: str, class_ids: list[str] | None = None) -> pd.DataFrame:
    """The rows of one split, in manifest order, of some classes or all."""
    filters = [("split", "==", split)] + ([("class_id", "in", class_ids)] if class_ids is not None else [])
    return pd.read_parquet(manifest, filters=filters)
