"""Which columns of a Parquet file hold images and labels, and its rows, a few hundred at a time."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.base.errors import RetortError, some_of
from retort.data.layouts.listing import nearest_of

ROWS = 256  # read at a time


@dataclass(frozen=True)
class Columns:
    """The columns that hold the image and its label, and what labels are called, in label order; None where the column
    holds the names themselves, as text or whole numbers."""

    image: str
    label: str
    names: tuple[str, ...] | None


def columns_of(
    shard: Path, image_column: str | None, label_column: str | None, place: str, usual: Sequence[str] = ()
) -> Columns:
    """Which columns count, by the config, or by what the shard's metadata say of them, as the hub writes it.

    place: what stands before image_column and label_column in the config, for messages. usual: names of a column of
    labels that is taken unasked where none is described as one. Raises RetortError where that leaves none or several.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(shard)
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    except Exception as error:  # neither Parquet nor JSON say all that can be wrong with a file
        raise RetortError(f"{shard} cannot be read as Parquet: {error}") from None
    kinds = {name: spec.get("_type") for name, spec in features.items() if isinstance(spec, dict)}
    types = {field.name: field.type for field in schema}
    images = [name for name, kind in kinds.items() if kind == "Image"] or [n for n in types if _holds_images(types[n])]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    plain = [n for n, t in types.items() if n not in labels and (pa.types.is_integer(t) or _is_text(t))]
    image = _one_column(shard, "image", image_column, images, [], place)
    called = [name for name in usual if name in plain][:1]
    label = _one_column(shard, "label", label_column, labels or called, plain, place)
    names = features[label].get("names", []) if label in labels else None
    return Columns(image, label, names if names is None else tuple(map(str, names)))


def _one_column(shard: Path, what: str, wanted: str | None, found: list[str], possible: list[str], place: str) -> str:
    """The column that is wanted, or the only one. possible: others that may be wanted, and are not taken unasked."""
    key, among = f"{place}{what}_column", list(dict.fromkeys([*found, *possible]))
    if wanted is not None:
        if wanted in among:
            return wanted
        close = nearest_of([wanted], among)
        raise RetortError(f"{key}: {shard} has no {what} column {wanted!r}{close}; it has {some_of(among)}")
    if len(found) == 1:
        return found[0]
    if found:
        raise RetortError(f"{shard} has several {what} columns; set {key} to one of {some_of(found)}")
    way_out = f"; set {key} to the one of {some_of(possible)} that holds the classes" if possible else ""
    raise RetortError(
        f"{shard}: expected one column of images and one of class labels, described in the 'huggingface' metadata; "
        f"found {what}s: none{way_out}"
    )


def _holds_images(kind) -> bool:
    """Bytes, or the hub's struct of bytes and a path."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_text(kind) -> bool:
    import pyarrow as pa

    whole_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return whole_text or (pa.types.is_dictionary(kind) and _is_text(kind.value_type))


def each_row_of(shard: Path, *columns: str) -> Iterator[tuple]:
    """The values of these columns of each row. Raises RetortError for a file that is corrupt further on."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        for batch in pq.ParquetFile(shard).iter_batches(ROWS, columns=list(columns)):
            for values in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
                yield values
                row += 1
    except (pa.ArrowException, OSError) as error:
        raise RetortError(f"{shard} is corrupt after row {row}: {error}") from None


def image_bytes(value: Any) -> bytes | None:
    """Of a column's value: bytes, or the hub's struct of bytes and a path."""
    return value if isinstance(value, bytes) else (value or {}).get("bytes")
