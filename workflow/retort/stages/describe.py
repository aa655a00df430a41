"""What a teacher sees in every training image of some classes: features and logits, computed once for all methods."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from retort.data.manifest import read_classes
from retort.data.tensors import open_tensors, write_tensors
from retort.models.teacher import features_and_logits, load_teacher
from retort.stages.decode import open_split


def describe_shard(train: str, class_table: str, teacher: str, output: str, *, classes: Sequence[int]) -> None:
    """features/ID (n, D), logits/ID (n, K) float32 and rows/ID (n,) of the train split, for each class ID."""
    table = read_classes(class_table)
    judge = load_teacher(teacher, [c.id for c in table])
    pixels, labels = open_split(train)
    tensors = {}
    for label in tqdm(classes, desc="describing", unit="class"):
        rows, name = np.flatnonzero(labels == label), table[label].id
        features, logits = features_and_logits(judge, pixels[rows])
        tensors |= {f"features/{name}": features.numpy(), f"logits/{name}": logits.numpy(), f"rows/{name}": rows}
    write_tensors(output, tensors)


def class_features(path: str, class_id: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, D) features of one class and (n,) their rows of the train split: of a teacher, or latents laid flat."""
    tensors = open_tensors(path)
    key = f"features/{class_id}"
    features = tensors[key] if key in tensors else tensors[f"latents/{class_id}"]
    return np.asarray(features).reshape(len(features), -1), np.asarray(tensors[f"rows/{class_id}"])
