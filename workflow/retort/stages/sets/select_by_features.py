"""Choose real images by what an encoder or a teacher makes of them: a table of which, nothing copied yet."""

from collections.abc import Sequence

import torch
from tqdm import tqdm

from retort.artifacts.choices import covering, judged, write_choices
from retort.artifacts.features import class_features, class_logits
from retort.base.errors import RetortError
from retort.data.manifest import ClassEntry, read_classes, read_split


def select_by_features(
    manifest: str,
    class_table: str,
    features: str,
    selection: str,
    *,
    class_indices: Sequence[int],
    select: dict,
    ipc: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, row (in the train split), image_id; by a teacher, correct and confidence as well.

    `class_indices` are label indices; `features` the file with their latents, or with what a teacher sees in them.
    select: {"coverage"} or {"teacher", "keep"}. Raises RetortError naming a class that has fewer than `ipc` images.
    """
    entries = [read_classes(class_table)[label] for label in class_indices]
    ids = read_split(manifest, "train", [entry.id for entry in entries]).set_index("row")["image_id"]
    chosen = {}
    for entry in tqdm(entries, desc="choosing", unit="class"):
        try:
            rows = _rows(select, features, entry, ipc, (seed, "coverage", dataset, entry.id))
        except ValueError as error:
            raise RetortError(f"class {entry.id}: {error}") from None
        chosen[entry] = [{"image_id": ids[row["row"]]} | row for row in rows]
    remedy = "A better teacher, or fewer images per class, would help."
    write_choices(chosen, selection, "the real images", remedy)


def _rows(select: dict, path: str, entry: ClassEntry, ipc: int, draw: tuple[str | int, ...]) -> list[dict]:
    """Rows of the train split, best first, with what the teacher says of them; `draw` seeds a coverage."""
    features, rows = class_features(path, entry.id)
    if len(rows) < ipc:
        raise ValueError(f"{ipc} images are wanted of {len(rows)}; lower ipc in runs")
    if "coverage" in select:
        return [{"row": int(rows[member])} for member in covering(select["coverage"], features, ipc, *draw)]
    logits = torch.from_numpy(class_logits(path, entry.id))
    return [{"row": int(rows[b.pop("member")])} | b for b in judged(logits, entry.index, select["keep"], ipc)]
