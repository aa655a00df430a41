"""Choose real images by what an encoder or a teacher makes of them: a table of which, nothing copied yet."""

from collections.abc import Sequence

import pandas as pd
import torch

from retort.config.seeds import derive_seed
from retort.data.files import whole_file
from retort.data.manifest import ClassEntry, read_classes, read_split
from retort.data.tensors import open_tensors
from retort.errors import RetortError
from retort.methods.coverage import cover
from retort.stages.choices import judged, warn_of_wrong
from retort.stages.describe import class_features


def select_by_features(
    manifest: str,
    class_table: str,
    features: str,
    output: str,
    *,
    classes: Sequence[int],
    select: dict,
    ipc: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, row (in the train split), image_id; by a teacher, correct and confidence as well.

    `classes` are label indices; `features` the file with their latents, or with what a teacher sees in them. select:
    {"coverage"} or {"teacher", "keep"}. Raises RetortError naming a class that has fewer than `ipc` images.
    """
    entries = [read_classes(class_table)[label] for label in classes]
    ids = read_split(manifest, "train", [entry.id for entry in entries]).set_index("row")["image_id"]
    chosen = []
    for entry in entries:
        try:
            rows = _rows(select, features, entry, ipc, derive_seed(seed, "coverage", dataset, entry.id) % 2**31)
        except ValueError as error:
            raise RetortError(f"class {entry.id}: {error}") from None
        where = {"class_id": entry.id, "class_index": entry.index}
        chosen += [where | {"index": i, "image_id": ids[row["row"]]} | row for i, row in enumerate(rows)]
    warn_of_wrong(chosen, "the real images", "A better teacher, or fewer images per class, would help.")
    with whole_file(output) as scratch:
        pd.DataFrame(chosen).drop(columns="class_id").to_csv(scratch, index=False)


def _rows(select: dict, features: str, entry: ClassEntry, ipc: int, seed: int) -> list[dict]:
    """Rows of the train split, best first, with what the teacher says of them."""
    seen = open_tensors(features)
    rows = seen[f"rows/{entry.id}"]
    if len(rows) < ipc:
        raise ValueError(f"{ipc} images are wanted of {len(rows)}; lower ipc in runs")
    if "coverage" in select:
        found = cover(select["coverage"], class_features(features, entry.id)[0], ipc, seed)
        return [{"row": row} for row in rows[found].tolist()]
    best = judged(torch.from_numpy(seen[f"logits/{entry.id}"].copy()), entry.index, select["keep"], ipc)
    return [{"row": int(rows[b.pop("member")])} | b for b in best]
