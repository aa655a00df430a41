"""Write a distilled set so that others can load it, and say where it came from."""

import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from retort.data.files import read_json, read_rows, whole_directory, write_json, write_rows
from retort.data.manifest import ClassEntry, read_classes
from retort.data.tensors import open_tensors
from retort.stages.cells import cell_of, places_of
from retort.stages.decode import open_split
from retort.stages.distilled import COLUMNS, MANIFEST

# Columns of the manifest that come from a discovery, from a selection by a teacher, and from what made the images.
FOUND = ("origin", "cluster_size", "correct", "confidence")
JUDGED = ("member", "correct", "confidence")
MEASURED = ("group", "score", "member", "loss_before", "loss_after", "row")
RECORDED_PACKAGES = ("torch", "diffusers", "transformers", "timm", "faiss-cpu", "umap-learn", "hdbscan")
RECORDED_PACKAGES += ("numpy", "pillow", "snakemake")


def write_set(
    class_table: str,
    train: str,
    selection: Sequence[str],
    shards: Sequence[str],
    chosen: Sequence[str],
    model_directories: Sequence[str],
    output: str,
    *,
    copy: bool,
    about: dict,
) -> None:
    """PNGs under class folders, manifest.csv, card.md and provenance.json.

    The images are a `selection` of real ones, or those of `shards` (generated, refined or composed), of which `chosen`
    names the members to take where they are a pool, and what its teacher says of them.

    With copy False (the full training set) the manifest points at rows of the decoded split and no image is
    written twice. `about` is the method's own part of the config, and what it was run for.
    """
    classes = read_classes(class_table)
    found = _selected(selection, train, classes) if selection else _made(shards, chosen, classes)
    with whole_directory(output) as scratch:
        rows = []
        for row, pixels in found:
            if copy:
                row["file"] = f"{row['class_id']}/{row['index']:05d}.png"
                target = scratch / row["file"]
                target.parent.mkdir(exist_ok=True)
                Image.fromarray(pixels).save(target)
            rows.append(dict.fromkeys(COLUMNS, "") | row)
        write_rows(scratch / MANIFEST, COLUMNS, rows)
        provenance = _provenance(about, model_directories, len(rows))
        write_json(scratch / "provenance.json", provenance)
        (scratch / "card.md").write_text(_card(provenance, classes, copy))


def _selected(selection: Sequence[str], train: str, classes: list[ClassEntry]) -> Iterator[tuple[dict, np.ndarray]]:
    pixels, _ = open_split(train)
    for row in (row for path in selection for row in read_rows(path)):
        where = {"row": row["row"], "source": row["image_id"]} | {key: row[key] for key in FOUND if key in row}
        label, index = cell_of(row)
        yield _row(classes[label], index) | where, pixels[int(row["row"])]


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
            row |= {key: about[key] for key in JUDGED if key in about}
            row |= {key: tensors[key][n].item() for key in MEASURED if key in tensors}
            if "rows" in tensors:
                row |= {"source": "patches", "row": " ".join(map(str, tensors["rows"][n].tolist()))}
            yield row, tensors["pixels"][n]


def _row(entry: ClassEntry, index: int) -> dict:
    return {"class_id": entry.id, "class_name": entry.name, "class_index": entry.index, "index": index}


def _provenance(about: dict, model_directories: Sequence[str], images: int) -> dict:
    weights = {str(d): read_json(Path(d, "origin.json")) for d in model_directories if Path(d, "origin.json").exists()}
    return about | {
        "images": images,
        "sources": weights,
        "versions": {package: version(package) for package in RECORDED_PACKAGES},
        "python": sys.version.split()[0],
        "machine": platform.machine(),
    }


def _card(provenance: dict, classes: list[ClassEntry], copied: bool) -> str:
    listed = ", ".join(c.name for c in classes[:20]) + (f" and {len(classes) - 20} more" if len(classes) > 20 else "")
    what = (
        "One folder per class, named by class id; `manifest.csv` gives the label index, which need not be the "
        "alphabetical order of the folders."
        if copied
        else "The whole training set: `manifest.csv` points at its rows, no image is copied."
    )
    return f"""# {provenance["method"]}, {provenance["ipc"]} images per class, from {provenance["dataset"]}

{provenance["images"]} images of {len(classes)} classes ({listed}).

{what} How it was made stands in `provenance.json`: the method's settings, the global seed, the versions of the
packages and, for models that were not trained here, where they came from.
"""
