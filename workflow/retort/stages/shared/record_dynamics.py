"""Record what networks say of every training image of some classes after each epoch of their training, in one pass."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from tqdm import tqdm

from retort.artifacts.dynamics import epoch_directory, fill_lessons, fill_rows, lessons_layout
from retort.artifacts.pixels import open_split
from retort.base.tensors import create_tensors
from retort.data.manifest import read_classes
from retort.models.teacher import check_kept, check_seen, features_and_logits, load_teacher

BATCH = 256  # images through each network at once


def record_dynamics(
    trainings: Sequence[str],
    train: str,
    class_table: str,
    dynamics: str,
    *,
    class_indices: Sequence[int],
    recorded: int,
) -> None:
    """For each class ID said/ID (R, E, n, K) float16, norms/ID (R, E, n) float32 and rows/ID (n,) of the train split.

    trainings: the directories of R trainings; recorded: how many epochs E of each. All networks are in memory, and a
    batch of images, which all of them see in turn; what they say goes to the file at once. Raises RetortError naming
    the image of which a network says what is not finite, or more than float16 holds.
    """
    table, (pixels, labels) = read_classes(class_table), open_split(train)
    ids = [c.id for c in table]
    cells = list(product(range(len(trainings)), range(recorded)))
    networks = {(run, epoch): load_teacher(epoch_directory(trainings[run], epoch + 1), ids) for run, epoch in cells}
    rows_of = {table[label].id: np.flatnonzero(labels == label) for label in class_indices}
    layout = {}
    for class_id, rows in rows_of.items():
        layout |= lessons_layout(class_id, len(rows), len(trainings), recorded, len(table))
    bar = tqdm(total=sum(map(len, rows_of.values())), desc="recording", unit="image")
    with create_tensors(dynamics, layout) as maps:
        for class_id, rows in rows_of.items():
            fill_rows(maps, class_id, rows)
            for first in range(0, len(rows), BATCH):
                seen = pixels[rows[first : first + BATCH]]
                for (run, epoch), network in networks.items():
                    logits, norms = _said(
                        network, seen, f"class {class_id}, run {run}, epoch {epoch + 1}, row", rows[first:]
                    )
                    fill_lessons(maps, class_id, run, epoch, first, logits, norms)
                bar.update(len(seen))
    bar.close()


def _said(network, pixels: np.ndarray, where: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, K) float16 logits and (n,) float32 norms of features for images (n, h, h, 3) of these rows."""
    features, logits = features_and_logits(network, pixels, BATCH)

    def name_of(i: int) -> str:
        return f"{where} {rows[i]} of the train split"

    check_seen(features, name_of)
    check_seen(logits, name_of)
    kept = logits.half()
    check_kept(kept, name_of)
    return kept.numpy(), features.norm(dim=1).numpy()
