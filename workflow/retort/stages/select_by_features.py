"""Choose real images by what an encoder or a teacher makes of them: a table of which, nothing copied yet."""

from collections.abc import Sequence

import pandas as pd
import torch

from retort.config.seeds import derive_seed
from retort.data.files import whole_file
from retort.data.manifest import ClassEntry, read_classes, read_split
from retort.data.tensors import open_tensors
from retort.errors import RetortError
from retort.methods.confidence import rank_candidates
from retort.methods.coverage import cover
from retort.stages.describe import class_features


def select_by_features(
    manifest: str,
    class_table: str,
    shards: Sequence[str],
    output: str,
    *,
    select: dict,
    ipc: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, row (in the train split), image_id; `ipc` rows per class.

    select: {"coverage"} or {"teacher", "keep"}. shards: for each class, in label order, the file with its latents or
    with what a teacher sees in it. Raises RetortError naming the class that has fewer images than `ipc`.
    """
    ids = read_split(manifest, "train").set_index("row")["image_id"]
    chosen = []
    for entry, shard in zip(read_classes(class_table), shards, strict=True):
        try:
            rows = _rows(select, shard, entry, ipc, derive_seed(seed, "coverage", dataset, entry.id) % 2**31)
        except ValueError as error:
            raise RetortError(f"class {entry.id}: {error}; lower ipc in runs") from None
        chosen += [(entry.index, index, row, ids[row]) for index, row in enumerate(rows)]
    with whole_file(output) as scratch:
        pd.DataFrame(chosen, columns=["class_index", "index", "row", "image_id"]).to_csv(scratch, index=False)


def _rows(select: dict, shard: str, entry: ClassEntry, ipc: int, seed: int) -> list[int]:
    """Rows of the train split, best first."""
    if "coverage" in select:
        features, rows = class_features(shard, entry.id)
        return rows[cover(select["coverage"], features, ipc, seed)].tolist()
    seen = open_tensors(shard)
    if len(seen[f"rows/{entry.id}"]) < ipc:
        raise ValueError(f"{ipc} images are wanted of {len(seen[f'rows/{entry.id}'])}")
    order = rank_candidates(torch.from_numpy(seen[f"logits/{entry.id}"].copy()), entry.index, select["keep"]).order
    return seen[f"rows/{entry.id}"][order[:ipc]].tolist()
