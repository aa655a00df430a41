"""Write a distilled set so that others can load it, and say where it came from."""

import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from io import BytesIO
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from retort.artifacts.cells import cell_of, places_of
from retort.artifacts.imported import count_of, imported_images, origin_of
from retort.artifacts.sets import COLUMNS, MANIFEST
from retort.base.errors import RetortError
from retort.base.files import each_row, read_json, read_rows, rows_as_bytes, whole_directory, write_json, write_rows
from retort.base.tensors import open_tensors
from retort.data.images import Fit
from retort.data.licences import data_licence
from retort.data.manifest import ClassEntry, read_classes, read_split
from retort.data.stores import Put, storing
from retort.data.streams import stream_squares
from retort.parts.foreign import texts_of
from retort.report.public import public
from retort.report.set_card import set_card

# Columns of a table of choices that say which image a row is of; all others stand in the manifest as they are.
PLACED = ("class_index", "index", "row", "image_id")
# Columns of the manifest that come from what made the images.
MEASURED = ("group", "score", "member", "loss_before", "loss_after", "row", "seed_row")
RECORDED_PACKAGES = ("torch", "diffusers", "transformers", "timm", "faiss-cpu", "umap-learn", "hdbscan")
RECORDED_PACKAGES += ("numpy", "pillow", "snakemake")


def write_set(
    class_table: str,
    manifest: str,
    selection: Sequence[str],
    images: Sequence[str],
    chosen: Sequence[str],
    models: Sequence[str],
    distilled: str,
    *,
    copy_images: bool,
    origin: dict,
    side: int,
    threads: int,
    store: str = "folder",
    fit: str = "crop",
    imported: str | None = None,
) -> None:
    """PNGs under class folders, manifest.csv, card.md, provenance.json and the label order (`_write_class_order`).

    With store "zip" the PNGs, and the label order in the words of those who load them, are the members of images.zip.
    The images are a `selection` of real ones, read from their files at `side` pixels (fit: "crop" keeps the centre,
    "squash" the whole image), or those of `images` (generated, refined or composed), of which `chosen` names the
    members to take where they are a pool, and what its teacher says of them, or those of a set that was `imported`.
    `origin` is the method's own part of the config, and what it was run for.

    With copy False (the full training set) the manifest points at rows of the train split and no image is read or
    written. Raises RetortError when a selection names a row that the data set's `manifest` lacks.
    """
    classes = read_classes(class_table)
    total = count_of(imported) if imported else sum(map(_images_in, selection or chosen or images))
    if imported:
        found = _imported(imported, classes)
    elif not selection:
        found = _made(images, chosen, classes)
    elif copy_images:
        squares = stream_squares(_files(selection, manifest), side, threads, Fit(fit))
        found = zip(_selected(selection, classes), squares, strict=True)
    else:
        found = zip(_selected(selection, classes), repeat(None), strict=False)
    with whole_directory(distilled) as scratch, storing(scratch, store if copy_images else "folder") as put:
        bar = tqdm(found, total=total, desc="writing", unit="image")
        columns = [*COLUMNS, *(key for key in _columns_of([*selection, *chosen]) if key not in COLUMNS)]
        rows = (dict.fromkeys(columns, "") | _saved(row, pixels, put) for row, pixels in bar)
        count = write_rows(scratch / MANIFEST, columns, rows)
        provenance = _provenance(origin, models, count, imported)
        write_json(scratch / "provenance.json", provenance)
        card = set_card(provenance, classes, store if copy_images else None)
        (scratch / "card.md").write_text(card, encoding="utf-8")
        if copy_images:
            _write_class_order(scratch, classes)
            put("metadata.csv", _metadata(scratch))


def _images_in(path: str) -> int:
    """In a table of choices, or in a file of images that were made."""
    return sum(1 for _ in each_row(path)) if Path(path).suffix == ".csv" else len(open_tensors(path)["class_index"])


def _selected(selection: Sequence[str], classes: list[ClassEntry]) -> Iterator[dict]:
    for row in chain.from_iterable(map(each_row, selection)):
        where = {"row": row["row"], "source": row["image_id"]} | _said(row)
        label, index = cell_of(row)
        yield _row(classes[label], index) | where


def _said(row: dict) -> dict:
    """What a choice says of an image, beside which it is."""
    return {key: value for key, value in row.items() if key not in PLACED}


def _columns_of(choices: Sequence[str]) -> list[str]:
    """The columns of tables of choices that stand in the manifest."""
    rows = (next(iter(each_row(path)), {}) for path in choices)
    return list(dict.fromkeys(key for row in rows for key in _said(row)))


def _files(selection: Sequence[str], manifest: str) -> list[str]:
    """The file of each selected image."""
    wanted = [int(row["row"]) for row in chain.from_iterable(map(each_row, selection))]
    images = read_split(manifest, "train", rows=wanted, columns=["row", "path"])
    paths = dict(zip(images["row"], images["path"], strict=True))
    if missing := [row for row in wanted if row not in paths]:
        raise RetortError(f"{manifest} has no row {missing[0]}, which {selection[0]} names; delete that and run again")
    return [paths[row] for row in wanted]


def _made(shards: Sequence[str], chosen: Sequence[str], classes: list[ClassEntry]) -> Iterator[tuple[dict, np.ndarray]]:
    judged = {cell_of(row): row for path in chosen for row in read_rows(path)}
    for tensors in map(open_tensors, shards):
        refined = "member" in tensors
        place = places_of(tensors)
        held = {label for label, _ in place}
        wanted = [key for key in judged if key[0] in held] if judged and not refined else list(place)
        for label, index in wanted:
            about = judged.get((label, index), {})
            n = place[(label, int(about["member"]) if about and not refined else index)]
            row = _row(classes[label], index) | {"source": "generated"}
            row |= _said(about)
            row |= {key: tensors[key][n].item() for key in MEASURED if key in tensors}
            if "rows" in tensors:
                row |= {"source": "patches", "row": " ".join(map(str, tensors["rows"][n].tolist()))}
            yield row, tensors["pixels"][n]


def _imported(folder: str, classes: list[ClassEntry]) -> Iterator[tuple[dict, np.ndarray]]:
    for about, pixels in imported_images(folder):
        label, index = cell_of(about)
        yield _row(classes[label], index) | {"source": about["source"]}, pixels


def _saved(row: dict, pixels: np.ndarray | None, put: Put) -> dict:
    """The row with the file that its pixels were saved as; without pixels it has none."""
    if pixels is None:
        return row
    name, content = f"{row['class_id']}/{row['index']:05d}.png", BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    put(name, content.getvalue())
    return row | {"file": name}


def _row(entry: ClassEntry, index: int) -> dict:
    return {"class_id": entry.id, "class_name": entry.name, "class_index": entry.index, "index": index}


def _provenance(about: dict, model_directories: Sequence[str], images: int, imported: str | None) -> dict:
    weights = {str(d): read_json(Path(d, "origin.json")) for d in model_directories if Path(d, "origin.json").exists()}
    return (
        public(about)
        | {"parts": {name: _with_texts(name, part) for name, part in about.get("parts", {}).items()}}
        | ({"imported": public(origin_of(imported))} if imported else {})
        | {
            "images": images,
            "sources": public(weights),
            "data_licence": data_licence(about["data"]),
            "versions": {package: version(package) for package in RECORDED_PACKAGES},
            "python": sys.version.split()[0],
            "machine": platform.machine(),
        }
    )


def _with_texts(name: str, part: dict) -> dict:
    """What the provenance says of a part: of one from a folder of `parts:` also the text of its files."""
    return part | ({"files": texts_of(name.partition("/")[2], part["files"])} if "files" in part else {})


def _write_class_order(directory: Path, classes: list[ClassEntry]) -> None:
    """The label order in the words of those who load the set: for all, and for timm."""
    write_rows(directory / "classes.csv", ["index", "id", "name"], (vars(c) for c in classes))
    (directory / "class_map.txt").write_text("".join(f"{c.id}\n" for c in classes), encoding="utf-8")


def _metadata(directory: Path) -> bytes:
    """The labels for Hugging Face's datasets, which look for them beside the images, in an archive inside it."""
    images = (
        {"file_name": row["file"], "label": row["class_index"]} | {key: row[key] for key in ("class_id", "class_name")}
        for row in each_row(directory / MANIFEST)
    )
    return rows_as_bytes(["file_name", "label", "class_id", "class_name"], images)
