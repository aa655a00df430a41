"""From embedded classes to representative real images (CoDA): clusters once, representatives for every set size."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from retort.base.errors import RetortError
from retort.base.files import whole_file
from retort.base.seeds import derive_seed
from retort.base.tensors import open_tensors, write_tensors
from retort.data.manifest import read_classes, read_split
from retort.methods.completion import representatives
from retort.methods.density import Clusters, cluster
from retort.models.health import DAMAGED, check_finite


def cluster_shard(
    embeddings: str, output: str, listing: str, *, classes: Sequence[str], min_cluster_size: int, min_samples: int
) -> None:
    """The embeddings again, with labels/ID (n,) int64 (-1 is noise) and probabilities/ID (n,); a CSV for people."""
    tensors, listed = dict(open_tensors(embeddings)), []
    for class_id in tqdm(classes, desc="clustering", unit="class"):
        points = _embedding(tensors, class_id, embeddings)
        found = cluster(points, min_cluster_size=min_cluster_size, min_samples=min_samples)
        tensors |= {f"labels/{class_id}": found.labels, f"probabilities/{class_id}": found.probabilities}
        rows = tensors[f"rows/{class_id}"]
        listed.append(
            pd.DataFrame(
                {"class_id": class_id, "row": rows, "cluster": found.labels, "probability": found.probabilities}
            )
        )
        print(
            f"class {class_id}: {found.labels.max() + 1} clusters, {(found.labels < 0).sum()} of {len(rows)} are noise"
        )
    write_tensors(output, tensors)
    with whole_file(listing) as scratch:
        pd.concat(listed).to_csv(scratch, index=False, float_format="%.4f")


def choose_representatives(
    discovered: str,
    manifest: str,
    class_table: str,
    output: str,
    *,
    classes: Sequence[int],
    count: int,
    min_cluster_size: int,
    min_samples: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, row, image_id, origin, cluster_size: exactly `count` real images of each class.

    `classes` are label indices. Raises RetortError naming a class that has fewer images.
    """
    entries = read_classes(class_table)
    ids = read_split(manifest, "train", [entries[label].id for label in classes]).set_index("row")["image_id"]
    tensors, chosen = open_tensors(discovered), []
    for entry in tqdm([entries[label] for label in classes], desc=f"{count} representatives", unit="class"):
        clusters = Clusters(np.asarray(tensors[f"labels/{entry.id}"]), np.asarray(tensors[f"probabilities/{entry.id}"]))
        try:
            found = representatives(
                _embedding(tensors, entry.id, discovered),
                clusters,
                count,
                min_cluster_size=min_cluster_size,
                min_samples=min_samples,
                seed=derive_seed(seed, "representatives", dataset, entry.id) % 2**32,
            )
        except ValueError as error:
            raise RetortError(f"class {entry.id}: {error}; lower ipc in runs, or the method's pool") from None
        rows = tensors[f"rows/{entry.id}"][found.rows]
        for index, row in enumerate(rows.tolist()):
            chosen.append((entry.index, index, row, ids[row], found.origins[index], int(found.sizes[index])))
    columns = ["class_index", "index", "row", "image_id", "origin", "cluster_size"]
    with whole_file(output) as scratch:
        pd.DataFrame(chosen, columns=columns).to_csv(scratch, index=False)


def _embedding(tensors: dict[str, np.ndarray], class_id: str, path: str) -> np.ndarray:
    """(n, d) of a class. Raises RetortError where it is not finite, as it was when it was written."""
    points = np.asarray(tensors[f"embedding/{class_id}"])
    check_finite(points, f"class {class_id}", f"the embedding in {path} is", DAMAGED)
    return points
