"""One small set in every form in which sets are published, and what `import_set` makes of it."""

import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.numpy import save_file

from retort.artifacts.imported import imported_images, origin_of
from retort.base.files import write_rows
from retort.data.elsewhere import Asked
from retort.stages.sets.import_set import import_set

SIDE, EACH = 8, 3
# Neither ids nor names sort as their labels do.
IDS, NAMES = ["n03", "n01", "n02"], ["cassette player", "tench, Tinca tinca", "English springer"]
PIXELS = np.random.default_rng(5).integers(0, 256, (len(IDS), EACH, SIDE, SIDE, 3), dtype=np.uint8)
PIXELS[0, 0, 0, 0], PIXELS[0, 0, 0, 1] = 0, 255  # black and white, as photographs have them
LABELS = np.repeat(np.arange(len(IDS)), EACH)
SHUFFLED = np.random.default_rng(6).permutation(len(LABELS))  # of rows: labels stand in no order in a file


def class_table(home: Path, ids=IDS, names=NAMES) -> Path:
    rows = [{"index": i, "id": c, "name": name} for i, (c, name) in enumerate(zip(ids, names, strict=True))]
    write_rows(home / "classes of ours.csv", ["index", "id", "name"], rows)
    return home / "classes of ours.csv"


def png(pixels: np.ndarray) -> bytes:
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def folders(root: Path, called: list[str], each: int = EACH) -> Path:
    for name, images in zip(called, PIXELS, strict=True):
        (root / name).mkdir(parents=True)
        for i in range(each):
            (root / name / f"{i}.png").write_bytes(png(images[i]))
    return root


def archive(path: Path, prefix: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(f"{prefix}manifest.csv", "no image")
        for row in SHUFFLED:
            label, i = divmod(int(row), EACH)
            out.writestr(f"{prefix}{IDS[label]}/{i}.png", png(PIXELS[label, i]))
    return path


def rows() -> tuple[np.ndarray, np.ndarray]:
    """(N, h, w, 3) uint8 and labels in the order of a file, in which the images of a class keep theirs."""
    labels, seen, images = LABELS[SHUFFLED], dict.fromkeys(range(len(IDS)), 0), []
    for label in labels.tolist():
        images.append(PIXELS[label, seen[label]])
        seen[label] += 1
    return np.stack(images), labels


def parquet(path: Path, labels: list, names: list[str] | None = None, plain: bool = False, column="label") -> Path:
    """names: of class labels, in the metadata. plain: the image is its bytes, not the hub's struct."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = [png(image) for image in rows()[0]]
    images = contents if plain else [{"bytes": content, "path": None} for content in contents]
    table = pa.table({"image": images, column: labels})
    if names:
        features = {"image": {"_type": "Image"}, column: {"_type": "ClassLabel", "names": names}}
        told = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": told})
    pq.write_table(table, path)
    return path


def tensors(path: Path, images: np.ndarray, labels: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = rows()[1] if labels is None else labels
    if path.suffix == ".safetensors":
        save_file({"images": np.ascontiguousarray(images), "labels": labels}, path)
    elif path.suffix == ".npz":
        np.savez_compressed(path, images=np.ascontiguousarray(images), labels=labels)
    else:
        torch.save({"images": torch.from_numpy(np.ascontiguousarray(images)), "labels": torch.from_numpy(labels)}, path)
    return path


def take(home: Path, path: Path, ipc: int = EACH, side: int = SIDE, fit: str = "crop", table=None, **asked) -> Path:
    """What the rule does; the folder that it makes."""
    out = home / "imported"
    settings = {"side": side, "fit": fit, "made_of": "now", "threads": 1, "method": "theirs", "ipc": ipc}
    import_set(str(table or class_table(home)), str(out), asked=Asked(str(path), **asked), **settings)
    return out


def taken(out: Path) -> dict[tuple[int, int], np.ndarray]:
    """Pixels by class index and index."""
    return {(int(row["class_index"]), int(row["index"])): pixels for row, pixels in imported_images(out)}


def is_the_set(out: Path, each: int = EACH) -> None:
    found = taken(out)
    assert list(found) == [(label, i) for label in range(len(IDS)) for i in range(each)]
    for (label, i), pixels in found.items():
        np.testing.assert_array_equal(pixels, PIXELS[label, i])
    assert origin_of(out)["taken"] == len(found)
