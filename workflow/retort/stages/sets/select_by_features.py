"""Choose real images by what an encoder or a teacher makes of them, or by how they were learned: a table of which."""

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.artifacts.choices import chosen_rows, write_choices
from retort.artifacts.dynamics import class_lessons, has_lessons
from retort.artifacts.features import class_features, class_logits
from retort.data.manifest import ClassEntry, read_classes, read_split
from retort.parts.selections import Seen, Selection


def select_by_features(
    manifest: str,
    class_table: str,
    features: str,
    selection: str,
    *,
    class_indices: Sequence[int],
    select: Selection,
    ipc: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, row (in the train split), image_id; by a teacher, correct and confidence as well.

    `class_indices` are label indices; `features` the file with their latents, with what a teacher sees in them, or with
    what networks said of them in their training.
    Raises RetortError naming a class that has fewer than `ipc` images.
    """
    entries = [read_classes(class_table)[label] for label in class_indices]
    ids = read_split(manifest, "train", [entry.id for entry in entries]).set_index("row")["image_id"]
    chosen = {}
    for entry in tqdm(entries, desc="choosing", unit="class"):
        seen, rows = _seen(features, entry)
        found = chosen_rows(select, seen, entry, ipc, (seed, "coverage", dataset))
        numbers = [int(rows[row.pop("member")]) for row in found]
        chosen[entry] = [{"image_id": ids[n], "row": n} | row for n, row in zip(numbers, found, strict=True)]
    remedy = "A better teacher, or fewer images per class, would help."
    write_choices(chosen, selection, "the real images", remedy)


def _seen(path: str, entry: ClassEntry) -> tuple[Seen, np.ndarray]:
    """What is seen of the images of a class, and their rows in the train split."""
    if has_lessons(path, entry.id):
        lessons, rows = class_lessons(path, entry.id, entry.index)
        return Seen(None, None, entry.index, lessons), rows
    features, rows = class_features(path, entry.id)
    logits = class_logits(path, entry.id)
    return Seen(features, None if logits is None else torch.from_numpy(logits), entry.index), rows
