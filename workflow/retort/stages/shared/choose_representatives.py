"""Real images that stand for each class: one job for each number of them."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from retort.artifacts.discovery import class_embedding
from retort.artifacts.representatives import write_table
from retort.base.errors import RetortError
from retort.base.seeds import derive_seed
from retort.base.tensors import open_tensors
from retort.data.manifest import read_classes, read_split
from retort.methods.completion import representatives as complete
from retort.methods.density import Clusters


def choose_representatives(
    clusters: str,
    manifest: str,
    class_table: str,
    representatives: str,
    *,
    class_indices: Sequence[int],
    number: int,
    min_cluster_size: int,
    min_samples: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, row, image_id, origin, cluster_size: exactly `number` real images of each class.

    `class_indices` are label indices. Raises RetortError naming a class that has fewer images.
    """
    entries = read_classes(class_table)
    ids = read_split(manifest, "train", [entries[label].id for label in class_indices]).set_index("row")["image_id"]
    tensors, chosen = open_tensors(clusters), []
    for entry in tqdm([entries[label] for label in class_indices], desc=f"{number} representatives", unit="class"):
        of_class = Clusters(np.asarray(tensors[f"labels/{entry.id}"]), np.asarray(tensors[f"probabilities/{entry.id}"]))
        try:
            found = complete(
                class_embedding(tensors, entry.id, clusters),
                of_class,
                number,
                min_cluster_size=min_cluster_size,
                min_samples=min_samples,
                seed=derive_seed(seed, "representatives", dataset, entry.id) % 2**32,
            )
        except ValueError as error:
            raise RetortError(f"class {entry.id}: {error}; lower ipc in runs, or the method's pool") from None
        rows = tensors[f"rows/{entry.id}"][found.rows]
        for index, row in enumerate(rows.tolist()):
            chosen.append((entry.index, index, row, ids[row], found.origins[index], int(found.sizes[index])))
    write_table(representatives, chosen)
