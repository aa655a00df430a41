"""The manifest: every usable image with its split and class, and the one class order that all labels use."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retort.data.files import read_rows, whole_file
from retort.errors import RetortError

COLUMNS = ["split", "row", "path", "class_id", "class_name", "class_index", "image_id", "width", "height"]
ROWS_TOGETHER = 16384  # classes stand together, so readers of a few skip most groups of rows: a tenth of the memory


@dataclass(frozen=True)
class ClassEntry:
    """One class: its place in the label order, its id (a folder name), its readable name."""

    index: int
    id: str
    name: str


def write_manifest(images: pd.DataFrame, classes: list[ClassEntry], manifest: Path, table: Path) -> None:
    """`images` as Parquet (COLUMNS and attrs; `row` numbers them within their split) and the class table as CSV."""
    images = images.assign(row=images.groupby("split").cumcount())
    with whole_file(manifest) as scratch:
        images[COLUMNS].to_parquet(scratch, index=False, row_group_size=ROWS_TOGETHER)
    with whole_file(table) as scratch:
        pd.DataFrame([vars(c) for c in classes]).to_csv(scratch, index=False)


def read_made_of(manifest: str | Path) -> dict:
    """What a manifest says of the images that it points at (see `build_manifest`); nothing where there is none."""
    return pd.read_parquet(manifest, columns=[]).attrs.get("made_of", {}) if Path(manifest).is_file() else {}


def read_classes(table: str | Path) -> list[ClassEntry]:
    """The class table, in label order.

    Raises RetortError when the indices are not 0, 1, 2, ... from top to bottom, or a class stands there twice.
    """
    entries = [ClassEntry(int(row["index"]), row["id"], row["name"]) for row in read_rows(table)]
    if [e.index for e in entries] != list(range(len(entries))) or len({e.id for e in entries}) < len(entries):
        raise RetortError(f"{table} does not list each class once in label order; delete it, so that it is made anew")
    return entries


def read_split(
    manifest: str | Path,
    split: str,
    class_ids: list[str] | None = None,
    *,
    rows: list[int] | None = None,
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """The rows of one split, in manifest order: of some classes, of these numbers, or all; some columns, or all."""
    filters = [("split", "==", split)]
    filters += [("class_id", "in", class_ids)] if class_ids is not None else []
    filters += [("row", "in", rows)] if rows is not None else []
    return pd.read_parquet(manifest, filters=filters, columns=columns)
