"""Sets that bring soft labels, in the forms in which people publish them, and what `import_labels` makes of these."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.numpy import save_file

from retort.artifacts.own_labels import own_record
from retort.base.tensors import open_tensors
from retort.data.elsewhere import Asked
from retort.stages.sets.import_labels import import_labels
from retort.stages.sets.write_set import write_set
from tests.helpers.exported_sets import plan
from tests.helpers.foreign_sets import EACH, IDS, LABELS, SHUFFLED, SIDE, class_table, png, rows, take

COUNT = len(LABELS)
# Of each image of the set, class by class in our order; the highest is that of its class, and no two rows are alike.
LOGITS = np.random.default_rng(9).normal(size=(COUNT, len(IDS)))
LOGITS[np.arange(COUNT), LABELS] = LOGITS.max(axis=1) + 0.5
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def of_rows(values: np.ndarray) -> np.ndarray:
    """Values of the set's images, in the order of a file (see `foreign_sets.rows`)."""
    labels, seen, order = LABELS[SHUFFLED], dict.fromkeys(range(len(IDS)), 0), []
    for label in labels.tolist():
        order.append(label * EACH + seen[label])
        seen[label] += 1
    return values[order]


def saved(path: Path, **tensors: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    elif path.suffix == ".npz":
        np.savez(path, **tensors)
    else:
        torch.save({name: torch.from_numpy(values) for name, values in tensors.items()}, path)
    return path


def file_with(path: Path, labels: np.ndarray | None = None, **soft: np.ndarray) -> Path:
    """A tensor file of the set with soft labels, which are given class by class. labels: other numbers of classes."""
    images, own = rows()
    soft = {name: of_rows(values) for name, values in soft.items()}
    return saved(path, images=images, labels=own if labels is None else labels, **soft)


def parquet_with(path: Path, names: list[str], **soft: np.ndarray) -> Path:
    """Parquet of the set whose class labels have these names in this order."""
    images, labels = rows()
    numbers = [names.index(IDS[label]) for label in labels]
    columns = {name: of_rows(values).tolist() for name, values in soft.items()}
    table = pa.table({"image": [{"bytes": png(image), "path": None} for image in images], "label": numbers} | columns)
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return path


def taken_labels(
    home: Path, path: Path, ipc: int = EACH, stated: str | None = None, between=lambda: None, **asked
) -> tuple[np.ndarray, dict]:
    """What the rules make of the set and its labels: the logits, and the record of them.

    between: what happens after the images were imported.
    """
    imported, table = take(home, path, ipc=ipc, **asked), class_table(home)
    distilled, labels = written(home, imported, ipc), home / "own.safetensors"
    between()
    known = {"method": "theirs", "ipc": ipc, "made_of": "now", "stated": stated}
    import_labels(str(table), str(distilled), str(labels), asked=Asked(str(path), **asked), **known)
    return np.array(open_tensors(labels)["logits"]), own_record(labels)


def written(home: Path, imported: Path, ipc: int = EACH) -> Path:
    """The distilled set of an imported one."""
    about = plan().provenance_of("random") | {"ipc": str(ipc)}
    settings = {"copy_images": True, "origin": about, "side": SIDE, "threads": 1, "imported": str(imported)}
    distilled = home / "distilled"
    shutil.rmtree(distilled, ignore_errors=True)
    write_set(str(class_table(home)), "", [], [], [], [], str(distilled), **settings)
    return distilled


def probabilities(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits.astype(np.float64))
    return shares / shares.sum(axis=1, keepdims=True)
