"""The manifest: every usable image with its split and class, and the one class order that all labels use."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retort.base.errors import Corrupt
from retort.base.files import read_rows, whole_file
from retort.base.tables import read_parquet
from retort.data.class_ids import refuse_odd_ids

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
    return _attributes(manifest).get("made_of", {})


def _attributes(manifest: str | Path) -> dict:
    if not Path(manifest).is_file():
        return {}
    try:
        return read_parquet(manifest, COLUMNS, columns=[]).attrs
    except Corrupt:  # asked while the run is planned, when the rule that makes it must still be found
        return {}


def read_sizes(manifest: str | Path) -> tuple[dict[str, int], str | None]:
    """Training images by class id, and by which settings they were counted; nothing where there is no manifest."""
    counted = _attributes(manifest).get("sizes")  # as text: pandas copies attributes at each step
    return (found := json.loads(counted or "{}")).get("train", {}), found.get("by")


def read_classes(table: str | Path) -> list[ClassEntry]:
    """The class table, in label order.

    Raises Corrupt when the indices are not 0, 1, 2, ... from top to bottom, or a class stands there twice, and
    RetortError for an id that cannot name a folder.
    """
    rows = read_rows(table)
    ids = [row["id"] for row in rows]
    if [row["index"] for row in rows] != [str(n) for n in range(len(rows))] or len(set(ids)) < len(rows) or not rows:
        raise Corrupt(table, "does not list each class once in label order")
    refuse_odd_ids(ids, str(table))
    return [ClassEntry(n, row["id"], row["name"]) for n, row in enumerate(rows)]


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
    return read_parquet(manifest, COLUMNS, filters=filters, columns=columns)
