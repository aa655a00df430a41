"""What a teacher sees in every training image of some classes: features and logits, computed once for all methods."""

from collections.abc import Sequence

import torch
from tqdm import tqdm

from retort.artifacts.features import of_class as class_tensors
from retort.base.batches import in_batches
from retort.base.tensors import write_tensors
from retort.data.manifest import read_classes, read_split
from retort.data.streams import stream_batches
from retort.models.teacher import check_seen, features_and_logits, load_teacher

BATCH = 256  # images through the teacher at once


def describe_images(
    manifest: str,
    class_table: str,
    teacher: str,
    features: str,
    *,
    class_indices: Sequence[int],
    side: int,
    threads: int,
) -> None:
    """features/ID (n, D), logits/ID (n, K) float32 and rows/ID (n,) of the train split, for each class ID.

    The images are read from their files, at `side` pixels, the next batches of a class while one is computed.
    """
    table = read_classes(class_table)
    judge = load_teacher(teacher, [c.id for c in table])
    names = [table[label].id for label in class_indices]
    images, tensors = read_split(manifest, "train", names, columns=["class_id", "row", "path"]), {}
    by_class = {name: images[images["class_id"] == name] for name in names}
    # One stream for all, or each class would start its own readers; batches do not cross classes.
    cut = {name: list(in_batches(of_class["path"], BATCH)) for name, of_class in by_class.items()}
    squares = stream_batches([batch for batches in cut.values() for batch in batches], side, threads)
    for name, of_class in tqdm(by_class.items(), desc="describing", unit="class"):
        seen = [features_and_logits(judge, next(squares), BATCH) for _ in cut[name]]
        described, logits = (torch.cat(parts) for parts in zip(*seen, strict=True))
        for kind in (described, logits):
            check_seen(kind, [f"class {name}, {path}" for path in of_class["path"]].__getitem__)
        rows = of_class["row"].to_numpy()
        tensors |= class_tensors(name, described.numpy(), logits.numpy(), rows)
    write_tensors(features, tensors)
