"""From a data set to its manifest: which images there are, that each can be read, and the order of the classes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from retort.data.files import whole_directory, write_rows
from retort.data.images import BadImage, image_size
from retort.data.manifest import ClassEntry, write_manifest
from retort.data.sources import list_images, write_digits
from retort.errors import RetortError


def export_digits(folder: str, classes: Sequence[str], side: int) -> None:
    """scikit-learn's digits as an image folder with train/ and val/."""
    with whole_directory(folder) as scratch:
        write_digits(scratch, list(classes), side)


def build_manifest(
    folder: str,
    manifest: str,
    class_table: str,
    bad_images: str,
    *,
    dataset: str,
    classes: Sequence[str],
    class_names: dict[str, str],
    val_fraction: float,
    on_bad_image: str,
    seed: int,
    threads: int,
) -> None:
    """Decode every image once and write manifest, class table and the list of unreadable images.

    Raises RetortError listing the unreadable ones when on_bad_image is "stop", and when skipping them leaves a
    class without images.
    """
    rows = list_images(Path(folder), list(classes), val_fraction, seed, dataset)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        sizes = list(
            tqdm(pool.map(_size_or_reason, (r["path"] for r in rows)), total=len(rows), desc="checking images")
        )
    bad = [{"path": r["path"], "reason": s} for r, s in zip(rows, sizes, strict=True) if isinstance(s, str)]
    if bad and on_bad_image == "stop":
        raise RetortError(
            f"{len(bad)} of {len(rows)} images cannot be read:\n  - {_listed(bad)}\n"
            "Repair or remove them, or set dataset.on_bad_image: skip to leave them out and list them."
        )
    entries = [ClassEntry(i, c, class_names.get(c, c)) for i, c in enumerate(classes)]
    by_id = {e.id: e for e in entries}
    good = [
        r
        | {
            "width": s[0],
            "height": s[1],
            "class_name": by_id[r["class_id"]].name,
            "class_index": by_id[r["class_id"]].index,
        }
        for r, s in zip(rows, sizes, strict=True)
        if not isinstance(s, str)
    ]
    images = pd.DataFrame(good)
    counts = images.groupby(["split", "class_id"]).size() if len(images) else {}
    empty = [f"{s}/{c}" for s in ("train", "val") for c in classes if (s, c) not in counts]
    if empty:
        raise RetortError(f"no readable image is left in {', '.join(empty)}; skipped were:\n  - {_listed(bad)}")
    write_rows(bad_images, ["path", "reason"], bad)
    write_manifest(images, entries, Path(manifest), Path(class_table))
    print(f"{len(images)} images of {len(entries)} classes, {len(bad)} skipped")


def _size_or_reason(path: str) -> tuple[int, int] | str:
    try:
        return image_size(path)
    except BadImage as error:
        return str(error)


def _listed(bad: list[dict], most: int = 20) -> str:
    more = f"\n  ... {len(bad) - most} more" if len(bad) > most else ""
    return "\n  - ".join(b["reason"] for b in bad[:most]) + more
