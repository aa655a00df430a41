"""From a data set to its manifest: which images there are, that each can be read, and the order of the classes."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from retort.base.errors import RetortError, some_of
from retort.base.files import write_rows
from retort.base.words import counted
from retort.data.duplicates import Twin, in_both_splits
from retort.data.images import BadImage, header_size, image_size
from retort.data.layouts.instead import unread
from retort.data.layouts.listing import ImageFile
from retort.data.manifest import ClassEntry, write_manifest
from retort.data.sizes import from_word, refuse_small_classes, settings_mark
from retort.data.sources import class_names, first_drawn, list_images

TOGETHER = 256  # images that one thread measures before it takes more
MEASURES = {"decode": image_size, "header": header_size}
BAD_COLUMNS = ["path", "reason"]


def build_manifest(
    images: str | None,
    manifest: str,
    class_table: str,
    bad_images: str,
    *,
    layout: dict,
    class_ids: Sequence[str],
    names: dict[str, str],
    on_bad_image: str,
    check: str,
    max_per_class: int | None,
    made_of: dict,
    threads: int,
    needed: str = "",
) -> None:
    """Look at every image once and write manifest, class table and the list of unreadable images.

    images: the folder that `export_images` made, if it did. names: readable names that replace the data set's own.
    check: "decode" reads every image in full; "header" only as far as its size, which finds empty and foreign files.
    made_of: kept in the manifest, which thus differs whenever the images do. needed: what the wanted sets need of each
    class, as data.sizes has it in one word.
    Raises RetortError listing the unreadable ones when on_bad_image is "stop", when skipping them leaves a class
    without images, and when classes have fewer images than are needed: before any is read, and of those that can be.
    """
    rows = list_images(layout, images, list(class_ids))
    if max_per_class is not None:
        rows = first_drawn(rows, max_per_class)
    _refuse_small(rows, class_ids, needed)
    measured = list(_measure([r.path for r in rows], MEASURES[check], threads))
    bad = [{"path": r.path, "reason": m} for r, m in zip(rows, measured, strict=True) if isinstance(m, str)]
    if bad and on_bad_image == "stop":
        raise RetortError(
            f"{len(bad)} of {len(rows)} images cannot be read:\n  - {_listed(bad)}\n"
            "Repair or remove them, or set dataset.on_bad_image: skip to leave them out and list them."
        )
    names = class_names(layout, class_ids) | names
    entries = [ClassEntry(i, c, names.get(c, c)) for i, c in enumerate(class_ids)]
    table = _table(rows, measured, entries)
    counts = table.groupby(["split", "class_id"]).size()
    empty = [f"{s}/{c}" for s in ("train", "val") for c in class_ids if (s, c) not in counts]
    if empty:
        raise RetortError(f"no readable image is left in {', '.join(empty)}; skipped were:\n  - {_listed(bad)}")
    sizes = {c: int(counts["train", c]) for c in class_ids}
    refuse_small_classes(sizes, from_word(needed), f"{len(bad)} unreadable ones left out")
    write_rows(bad_images, BAD_COLUMNS, bad)
    by = settings_mark(
        class_ids,
        names=names,
        layout=layout,
        on_bad_image=on_bad_image,
        check=check,
        max_per_class=max_per_class,
    )
    table.attrs |= {"made_of": made_of, "sizes": json.dumps({"train": sizes, "by": by})}
    write_manifest(table, entries, Path(manifest), Path(class_table))
    print(f"{counted(len(table), 'image')} of {counted(len(entries), 'class', 'classes')}, {len(bad)} skipped")
    for line in unread(dict.fromkeys(os.path.dirname(row.path) for row in rows)):  # noqa: PTH120 (a million of them)
        print(f"warning: left out beside the images are {line}")
    if twins := in_both_splits(table, threads):
        print(_warning_of(twins))


def _warning_of(twins: list[Twin]) -> str:
    counts = some_of([f"{count} of {c}" for c, count in Counter(twin.class_id for twin in twins).most_common()])
    return (
        f"warning: {len(twins)} validation images are training images as well, byte for byte ({counts}), such as "
        f"{twins[0].val}, which is {twins[0].train}. Accuracies come out too high; remove them from one of the splits."
    )


def _refuse_small(rows: list[ImageFile], classes: Sequence[str], needed: str) -> None:
    found = Counter(row.class_id for row in rows if row.split == "train")
    refuse_small_classes({c: found[c] for c in classes}, from_word(needed), "counted before any is read")


def _measure(
    paths: list[str], measure: Callable[[str], tuple[int, int]], threads: int
) -> Iterator[tuple[int, int] | str]:
    """(width, height) of each image, or why it cannot be read, in order; a few hundred to a task of the pool."""

    def measure_all(together: list[str]) -> list[tuple[int, int] | str]:
        return [_size_or_reason(measure, path) for path in together]

    parts = [paths[i : i + TOGETHER] for i in range(0, len(paths), TOGETHER)]
    with ThreadPoolExecutor(max(1, threads)) as pool, tqdm(total=len(paths), desc="checking", unit="image") as bar:
        for found in pool.map(measure_all, parts):
            bar.update(len(found))
            yield from found


def _size_or_reason(measure: Callable[[str], tuple[int, int]], path: str) -> tuple[int, int] | str:
    try:
        return measure(path)
    except BadImage as error:
        return str(error)


def _table(rows: list[ImageFile], measured: list[tuple[int, int] | str], entries: list[ClassEntry]) -> pd.DataFrame:
    """The readable images with their sizes and classes, as columns: a million dictionaries would take gigabytes."""
    good = [not isinstance(m, str) for m in measured]
    images = pd.DataFrame(rows, columns=list(ImageFile._fields))[good]
    widths, heights = zip(*(m for m in measured if not isinstance(m, str)), strict=True) if any(good) else ((), ())
    by_id = {e.id: e for e in entries}
    return images.assign(
        class_name=images["class_id"].map({c: e.name for c, e in by_id.items()}),
        class_index=images["class_id"].map({c: e.index for c, e in by_id.items()}),
        width=list(widths),
        height=list(heights),
    ).reset_index(drop=True)


def _listed(bad: list[dict], most: int = 20) -> str:
    more = f"\n  ... {len(bad) - most} more" if len(bad) > most else ""
    return "\n  - ".join(b["reason"] for b in bad[:most]) + more
