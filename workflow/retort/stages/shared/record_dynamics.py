"""Record what networks say of every training image of some classes after each epoch of their training, in one pass."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from tqdm import tqdm

from retort.artifacts.dynamics import epoch_directory, fill_lessons, fill_rows, lessons_layout
from retort.artifacts.pixels import open_split
from retort.base.batches import in_batches
from retort.base.tensors import create_tensors
from retort.data.manifest import read_classes
from retort.models.teacher import check_kept, check_seen, features_and_logits, load_teacher

BATCH = 256  # images through each network at once
NETWORKS = 32  # in memory at once; with more of them, the images are gone through once for each so many


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

    trainings: the directories of R trainings; recorded: how many epochs E of each. In memory are NETWORKS networks and
    a batch of images, which all of them see in turn; what they say goes to the file at once. Raises RetortError naming
    the image of which a network says what is not finite, or more than float16 holds.
    """
    table, (pixels, labels) = read_classes(class_table), open_split(train)
    ids, cells = [c.id for c in table], list(product(range(len(trainings)), range(recorded)))
    rows_of = {table[label].id: np.flatnonzero(labels == label) for label in class_indices}
    layout = {}
    for class_id, rows in rows_of.items():
        layout |= lessons_layout(class_id, len(rows), len(trainings), recorded, len(table))
    bar = tqdm(total=len(cells) * sum(map(len, rows_of.values())), desc="recording", unit="answer")
    with create_tensors(dynamics, layout) as maps, bar:
        for class_id, rows in rows_of.items():
            fill_rows(maps, class_id, rows)
        for some in in_batches(cells, NETWORKS):
            networks = {cell: load_teacher(epoch_directory(trainings[cell[0]], cell[1] + 1), ids) for cell in some}
            for class_id, rows in rows_of.items():
                for first in range(0, len(rows), BATCH):
                    part = rows[first : first + BATCH]
                    _record(maps, class_id, networks, pixels[part], part, first)
                    bar.update(len(networks) * len(part))


def _record(maps: dict, class_id: str, networks: dict, pixels: np.ndarray, rows: np.ndarray, first: int) -> None:
    """What each network, by its run and epoch, says of images (n, h, h, 3) of these rows goes to the file."""
    for (run, epoch), network in networks.items():
        where = f"class {class_id}, run {run}, epoch {epoch + 1}, row"
        fill_lessons(maps, class_id, run, epoch, first, *_said(network, pixels, where, rows))


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
