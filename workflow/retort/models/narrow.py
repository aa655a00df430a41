"""Weights rewritten in the dtype that they run in: half the bytes to read for every job, and the same numbers."""

import json
import struct
from pathlib import Path

import torch

from retort.base.files import read_json, whole_file, write_json
from retort.base.tensors import read_header

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
CODES = {kind: code for code, kind in TYPES.items()}


def narrow_weights(path: Path, dtype: torch.dtype) -> bool:
    """Rewrite a safetensors file so that no floating-point tensor is wider than `dtype`; whether anything was.

    Each is rounded as `Tensor.to` rounds it, which is what loading the wide file in that dtype does. All others keep
    their bytes. One tensor at a time is in memory, and the file is read, not mapped. The file at `path` is replaced, so
    another name of the old one keeps the old content.
    """
    header, base = read_header(path)
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    wide = {n for n, e in entries.items() if e["dtype"] in TYPES and TYPES[e["dtype"]].itemsize > dtype.itemsize}
    if not wide:
        return False
    table, offset = {"__metadata__": header["__metadata__"]} if "__metadata__" in header else {}, 0
    # As safetensors orders them: wide items first, so that each tensor is aligned.
    for name in sorted(entries, key=lambda n: (-_itemsize(entries[n], n in wide, dtype), n)):
        first, end = entries[name]["data_offsets"]
        size = (end - first) // TYPES[entries[name]["dtype"]].itemsize * dtype.itemsize if name in wide else end - first
        code = CODES[dtype] if name in wide else entries[name]["dtype"]
        table[name] = {"dtype": code, "shape": entries[name]["shape"], "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    with whole_file(path) as scratch, open(path, "rb") as source, open(scratch, "wb") as target:
        target.write(struct.pack("<Q", len(text)) + text)
        for name in (name for name in table if name != "__metadata__"):
            first, end = entries[name]["data_offsets"]
            source.seek(base + first)
            content = bytearray(source.read(end - first))
            if name in wide and content:
                found = torch.frombuffer(content, dtype=TYPES[entries[name]["dtype"]])
                content = found.to(dtype).view(torch.uint8).numpy().tobytes()
            target.write(content)
    return True


def narrow_folder(folder: Path, dtype: torch.dtype) -> list[Path]:
    """`narrow_weights` of every safetensors file directly in a folder; those that were rewritten.

    The index of weights in several files says their new size.
    """
    rewritten = [file for file in sorted(folder.glob("*.safetensors")) if narrow_weights(file, dtype)]
    for index in folder.glob("*.safetensors.index.json") if rewritten else ():
        content, files = read_json(index), folder.glob("*.safetensors")
        sizes = [file.stat().st_size - read_header(file)[1] for file in files]
        write_json(index, content | {"metadata": content.get("metadata", {}) | {"total_size": sum(sizes)}})
    return rewritten


def _itemsize(entry: dict, wide: bool, dtype: torch.dtype) -> int:
    """Bytes of one number of a tensor in the new file."""
    if wide:
        return dtype.itemsize
    (first, end), shape = entry["data_offsets"], entry["shape"]
    return (end - first) // max(1, torch.Size(shape).numel())
