"""A distilled set as one Parquet file, with soft labels."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from retort.artifacts.sets import MANIFEST, open_images, unreadable
from retort.base.batches import in_batches
from retort.base.files import read_json, read_rows, whole_file, write_json
from retort.data.images import BadImage, decode_rgb
from retort.data.manifest import read_classes
from retort.data.stores import StoredImages
from retort.models.teacher import Teacher, check_kept, load_teacher, logits_of
from retort.report.croissant import croissant_of
from retort.report.public import public

TOGETHER = 256  # images in memory at once, and in a group of the file's rows
TEXTS = ("class_id", "class_name", "source")


def export_set(
    distilled: str, class_table: str, teacher: str | None, table: str, croissant: str, *, origin: dict
) -> None:
    """Parquet of image {bytes, path}, label, class_id, class_name, source and, with a teacher, its logits (K) float16.

    The bytes are those of the PNG files; label is the number of the class in `class_table`; the logits are of the
    images as they are, not augmented. The schema tells Hugging Face's datasets which column is what, with class ids for
    the names of labels (readable names need not be unique); `origin` (of which data set, method and images per class it
    is, and of the teacher) stands beside that, under "retort". `croissant`, a JSON file beside it, describes it.

    Raises RetortError when an image of the manifest is missing, and when float16 cannot hold a logit.
    """
    entries = read_classes(class_table)
    classes = [c.id for c in entries]
    judge = load_teacher(teacher, classes) if teacher else None
    schema = _schema(classes, public(origin), soft=judge is not None)
    listed = read_rows(Path(distilled, MANIFEST))
    images = open_images(distilled, [row["file"] for row in listed])
    with whole_file(table) as scratch, pq.ParquetWriter(scratch, schema) as writer:
        for rows in in_batches(tqdm(listed, desc="exporting", unit="image"), TOGETHER):
            try:
                writer.write_table(_table(rows, images, judge, schema))
            except BadImage as error:
                raise unreadable(distilled, error) from None
    provenance = read_json(Path(distilled, "provenance.json"))
    write_json(croissant, croissant_of(table, entries, schema.names, provenance))


def _schema(classes: Sequence[str], about: dict, soft: bool) -> pa.Schema:
    columns = {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "label": pa.int64()}
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(classes)}}
    columns |= dict.fromkeys(TEXTS, pa.string())
    features |= {name: {"_type": "Value", "dtype": "string"} for name in TEXTS}
    if soft:
        columns["logits"] = pa.list_(pa.float16(), len(classes))
        # "Sequence" is understood by every version of datasets, "List" by those from 4 on.
        number = {"_type": "Value", "dtype": "float16"}
        features["logits"] = {"_type": "Sequence", "feature": number, "length": len(classes)}
    metadata = {"huggingface": {"info": {"features": features}}, "retort": about}
    return pa.schema(columns, metadata={key: json.dumps(value) for key, value in metadata.items()})


def _table(rows: Sequence[dict], images: StoredImages, judge: Teacher | None, schema: pa.Schema) -> pa.Table:
    contents = [images.content(row["file"]) for row in rows]
    held = [{"bytes": content, "path": row["file"]} for row, content in zip(rows, contents, strict=True)]
    columns = {"image": held, "label": [int(row["class_index"]) for row in rows]}
    columns |= {name: [row[name] for row in rows] for name in TEXTS}
    if judge is not None:
        paths = [images.path(row["file"]) for row in rows]
        pixels = np.stack([np.asarray(image) for image in map(decode_rgb, contents, paths)])
        logits = logits_of(judge, pixels).half().numpy()
        check_kept(logits, lambda row: f"class {rows[row]['class_id']}, {rows[row]['file']}")
        columns["logits"] = pa.FixedSizeListArray.from_arrays(pa.array(logits.ravel()), logits.shape[1])
    return pa.table(columns, schema=schema)
