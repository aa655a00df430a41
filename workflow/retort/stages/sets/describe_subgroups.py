"""Centroids of the groups of a generated pool, and of the real images, of some classes."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from retort.artifacts.features import class_features
from retort.artifacts.subgroups import write_centroids
from retort.base.tensors import open_tensors
from retort.data.manifest import read_classes, read_split
from retort.methods.selection import random_order
from retort.methods.subgroups import centroid
from retort.models.teacher import check_seen, features_and_logits, load_teacher


def describe_subgroups(
    pool: str,
    features: str,
    teacher: str,
    manifest: str,
    class_table: str,
    centroids: str,
    *,
    class_indices: Sequence[int],
    subgroups: int,
    real_images: int,
    dataset: str,
    seed: int,
) -> None:
    """What `write_centroids` writes of the shard's classes; the images of a group are consecutive in the pool.

    features: what the same teacher sees in the real images (see `describe_images`), of which `real_images` random ones
    of a class count, the first of the random baseline. Raises RetortError naming the image in which the teacher sees
    what is not finite.
    """
    table, made = read_classes(class_table), open_tensors(pool)
    judge = load_teacher(teacher, [c.id for c in table])
    ids = read_split(manifest, "train", [table[label].id for label in class_indices]).set_index("row")["image_id"]
    candidates, real = [], []
    for label in tqdm(class_indices, desc="describing", unit="class"):
        class_id, members = table[label].id, np.flatnonzero(made["class_index"] == label)
        members = members[np.argsort(made["index"][members])]
        seen, _ = features_and_logits(judge, made["pixels"][members])
        check_seen(seen, lambda member, class_id=class_id: f"class {class_id}, image {member} of the pool")
        candidates.append(centroid(seen.numpy().reshape(subgroups, -1, seen.shape[1])))
        described, rows = class_features(features, class_id)
        some = random_order(ids[rows].tolist(), seed, dataset)[:real_images]
        real.append(centroid(described[some]))
    write_centroids(centroids, class_indices, np.stack(candidates), np.stack(real))
