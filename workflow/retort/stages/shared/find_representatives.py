"""What stands for each class, by a discovery that finds it at once: one job for each number of them."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from retort.artifacts.latents import class_latents, finite
from retort.artifacts.representatives import write_modes, write_table
from retort.base.errors import RetortError
from retort.base.seeds import derive_seed
from retort.base.tensors import open_tensor
from retort.data.enough import check_enough
from retort.data.manifest import ClassEntry, read_classes, read_split
from retort.models.health import check_finite
from retort.parts.discoveries import Discovery, Found, mistake_of


def find_representatives(
    latents: str,
    manifest: str,
    class_table: str,
    representatives: str,
    modes: str,
    *,
    discovery: Discovery,
    class_indices: Sequence[int],
    number: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, row, image_id, origin, cluster_size for `number` of each class, and their latents.

    `class_indices` are label indices. `modes` has latents/ID (number, C, H, W) float32 and rows/ID (number,) of each
    class ID: of the real images, or what the discovery found in their place. Raises RetortError naming a class that has
    fewer images or cannot be searched, and a discovery that finds other than it promises.
    """
    entries = [read_classes(class_table)[label] for label in class_indices]
    ids = read_split(manifest, "train", [entry.id for entry in entries]).set_index("row")["image_id"]
    table, found_latents = [], {}
    for entry in tqdm(entries, desc=f"{number} representatives", unit="class"):
        held = finite(class_latents(latents, entry.id), latents, entry.id)
        rows = np.asarray(open_tensor(latents, f"rows/{entry.id}"))
        check_enough(entry, number, len(rows))
        of_class = derive_seed(seed, "representatives", dataset, entry.id) % 2**32
        found = _found(discovery, held, ids[rows].tolist(), number, of_class, entry)
        chosen = np.asarray(found.rows, dtype=np.int64)
        own = held[chosen] if found.centres is None else np.asarray(found.centres, dtype=np.float32)
        check_finite(own, f"class {entry.id}", "what stands for it is", "name another discovery")
        found_latents[entry.id] = (own, rows[chosen])
        for index, row in enumerate(rows[chosen].tolist()):
            table.append((entry.index, index, row, ids[row], found.origins[index], int(found.sizes[index])))
    write_table(representatives, table)
    write_modes(modes, found_latents)


def _found(
    discovery: Discovery, latents: np.ndarray, image_ids: list[str], count: int, seed: int, entry: ClassEntry
) -> Found:
    """What a discovery finds, held to what it promises."""
    try:
        found = discovery.find(latents, image_ids, count, seed)
    except ValueError as error:
        raise RetortError(f"class {entry.id}: {discovery.blamed_for(error)}") from error
    if wrong := mistake_of(found, count, latents.shape):
        raise RetortError(
            f"class {entry.id}: the discovery {discovery.named_with_file()} {wrong}; this is a mistake in the code of "
            "the discovery"
        )
    return found
