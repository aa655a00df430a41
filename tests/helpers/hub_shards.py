"""Parquet shards as the hub has them, in miniature, and what is written out of a data set."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from retort.stages.data.export_images import export_images


def exported(plan, folder: Path) -> Path:
    export_images(str(folder), plan.dataset.layout(), plan.classes)
    return folder


def stored(folder: Path) -> dict[str, np.ndarray]:
    return {str(p.relative_to(folder)): np.asarray(Image.open(p)) for p in sorted(folder.rglob("*.png"))}


def encoded(shade: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade,) * 3).save(buffer, kind)
    return buffer.getvalue()


KINDS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
NAMES = ["tench", "crane / bird", "crane"]


def shard(path: Path, rows: list[tuple[bytes | None, int]], names: list[str] = NAMES, **more) -> None:
    """A shard as the hub writes it: a struct of bytes and path, an integer, and what they are in the metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [content if content is None else {"bytes": content, "path": "../../evil.png"} for content, _ in rows]
    columns = {
        "label": pa.array([label for _, label in rows], pa.int64()),
        "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    }
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}} | more
    for extra in more:
        columns[extra] = columns["label"]
    table = pa.table(columns)
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(about), path, row_group_size=2)


TRAIN_ROWS = [(encoded(i, kind), i % 3) for i, kind in enumerate([*KINDS, "PNG"])]
VAL_ROWS = [(encoded(100 + i, "PNG"), 2 - i % 3) for i in range(4)]


def hub(root: Path, val: str | None = "validation", names: list[str] = NAMES, **more) -> Path:
    shard(root / "data/train-00000-of-00002.parquet", TRAIN_ROWS[:4], names, **more)
    shard(root / "data/train-00001-of-00002.parquet", TRAIN_ROWS[4:], names, **more)
    if val:
        shard(root / f"data/{val}-00000-of-00001.parquet", VAL_ROWS, names, **more)
    return root
