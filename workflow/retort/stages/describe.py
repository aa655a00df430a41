"""What a teacher sees in every training image of some classes: features and logits, computed once for all methods."""

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.base.batches import in_batches
from retort.base.tensors import open_tensors, write_tensors
from retort.data.manifest import read_classes, read_split
from retort.data.streams import stream_batches
from retort.models.health import DAMAGED, check_finite
from retort.models.teacher import check_seen, features_and_logits, load_teacher

BATCH = 256  # images through the teacher at once


def describe_shard(
    manifest: str, class_table: str, teacher: str, output: str, *, classes: Sequence[int], side: int, threads: int
) -> None:
    """features/ID (n, D), logits/ID (n, K) float32 and rows/ID (n,) of the train split, for each class ID.

    The images are read from their files, at `side` pixels, the next batches of a class while one is computed.
    """
    table = read_classes(class_table)
    judge = load_teacher(teacher, [c.id for c in table])
    names = [table[label].id for label in classes]
    images, tensors = read_split(manifest, "train", names, columns=["class_id", "row", "path"]), {}
    by_class = {name: images[images["class_id"] == name] for name in names}
    # One stream for all, or each class would start its own readers; batches do not cross classes.
    cut = {name: list(in_batches(of_class["path"], BATCH)) for name, of_class in by_class.items()}
    squares = stream_batches([batch for batches in cut.values() for batch in batches], side, threads)
    for name, of_class in tqdm(by_class.items(), desc="describing", unit="class"):
        seen = [features_and_logits(judge, next(squares), BATCH) for _ in cut[name]]
        features, logits = (torch.cat(parts) for parts in zip(*seen, strict=True))
        for kind in (features, logits):
            check_seen(kind, [f"class {name}, {path}" for path in of_class["path"]].__getitem__)
        rows = of_class["row"].to_numpy()
        tensors |= {f"features/{name}": features.numpy(), f"logits/{name}": logits.numpy(), f"rows/{name}": rows}
    write_tensors(output, tensors)


def class_features(path: str, class_id: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, D) features of one class and (n,) their rows of the train split: of a teacher, or latents laid flat.

    Raises RetortError naming the class where they are not finite, as they were when they were written.
    """
    tensors = open_tensors(path)
    key = f"features/{class_id}"
    features = tensors[key] if key in tensors else tensors[f"latents/{class_id}"]
    check_finite(features, f"class {class_id}", f"what {path} says of an image is", DAMAGED)
    return np.asarray(features, dtype=np.float32).reshape(len(features), -1), np.asarray(tensors[f"rows/{class_id}"])
