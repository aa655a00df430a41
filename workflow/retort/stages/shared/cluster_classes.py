"""From embedded classes to clusters of their images (CoDA), once for every size of a set."""

from collections.abc import Sequence

import pandas as pd
from tqdm import tqdm

from retort.artifacts.discovery import class_embedding
from retort.base.files import whole_file
from retort.base.tensors import open_tensors, write_tensors
from retort.methods.density import cluster


def cluster_classes(
    embedding: str, clusters: str, listing: str, *, class_ids: Sequence[str], min_cluster_size: int, min_samples: int
) -> None:
    """The embeddings again, with labels/ID (n,) int64 (-1 is noise) and probabilities/ID (n,); a CSV for people."""
    tensors, listed = dict(open_tensors(embedding)), []
    for class_id in tqdm(class_ids, desc="clustering", unit="class"):
        points = class_embedding(tensors, class_id, embedding)
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
    write_tensors(clusters, tensors)
    with whole_file(listing) as scratch:
        pd.concat(listed).to_csv(scratch, index=False, float_format="%.4f")
