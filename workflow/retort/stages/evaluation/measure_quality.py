"""Distilled sets measured beside the real training images, in a teacher's features."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from retort.artifacts.features import class_features
from retort.artifacts.sets import MANIFEST, stream_set
from retort.base.batches import in_batches
from retort.base.errors import RetortError
from retort.base.files import read_rows, write_json
from retort.base.seeds import derive_seed, numpy_rng
from retort.base.tensors import open_tensors
from retort.data.manifest import ClassEntry, read_classes
from retort.evaluation.density import density_and_coverage
from retort.models.teacher import check_seen, features_and_logits, load_teacher

TOGETHER = 256  # images in memory at once
KID_REAL = 20_000  # real images, spread over the classes, that KID draws from
KID_SUBSETS, KID_SIZE = 100, 1000  # as many draws, of so many images or as many as there are


def measure_quality(
    distilled: str,
    features: Sequence[str],
    class_table: str,
    teacher: str,
    measured: str,
    *,
    row: dict,
    measures: Sequence[str],
    neighbors: int,
    side: int,
    dataset: str,
    seed: int,
    threads: int,
) -> None:
    """JSON: a list of rows with `row`, the dataset, measure, value, n_real and n_distilled.

    measures: keys of MEASURES. features: the shards of `describe_images` by the same teacher, read a class at a time.
    Raises RetortError when a class has too few real images for `neighbors`, when the set has one image only, and when
    features or a measure are not finite.
    """
    classes = read_classes(class_table)
    made, labels = _features_of_set(distilled, classes, teacher, side, threads)
    if len(made) < 2:
        raise RetortError(f"{distilled} has one image, which has no distribution; measure larger sets, or leave it out")
    compared = Compared(features, classes, made, labels, neighbors, dataset, seed)
    found = [(measure, *rest) for name in measures for measure, *rest in MEASURES[name](compared)]
    if lost := [measure for measure, value, _ in found if not np.isfinite(value)]:
        raise RetortError(f"{distilled}: {lost[0]} is not finite; measure larger sets, or leave it out of the measures")
    rows = [{"measure": measure, "value": value, "n_real": n} for measure, value, n in found]
    write_json(measured, [{"dataset": dataset, **row, **measure, "n_distilled": len(made)} for measure in rows])


@dataclass(frozen=True)
class Compared:
    """A set's features (M, D) and labels (M,), and where those of the real images are."""

    shards: Sequence[str]
    classes: Sequence[ClassEntry]
    made: Tensor
    labels: np.ndarray
    neighbors: int
    dataset: str
    seed: int

    def real(self) -> Iterator[tuple[ClassEntry, Tensor]]:
        """Class by class, (n, D) float32."""
        for path in tqdm(self.shards, desc="comparing", unit="shard"):
            held = open_tensors(path)
            for entry in self.classes:
                if f"features/{entry.id}" in held:
                    yield entry, torch.from_numpy(class_features(path, entry.id)[0].copy())


Measured = list[tuple[str, float, int]]  # measure, value, how many real images it was compared with


def _density_coverage(compared: Compared) -> Measured:
    """Within each class, averaged over the classes of the set."""
    found, count = [], 0
    for entry, real in compared.real():
        if len(real) <= compared.neighbors:
            raise RetortError(
                f"quality.neighbors is {compared.neighbors}, but class {entry.id} has only {len(real)} training "
                f"images; lower it to {len(real) - 1} or less"
            )
        made = compared.made[torch.from_numpy(compared.labels == entry.index)]
        if len(made):
            found.append(density_and_coverage(real, made, compared.neighbors))
            count += len(real)
    density, coverage = np.mean(found, axis=0).tolist()
    return [("density", density, count), ("coverage", coverage, count)]


def _fid(compared: Compared) -> Measured:
    """Heusel et al. 2017, on the teacher's features in the place of Inception's."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Given(compared.made.shape[1]))
    for _, real in compared.real():
        metric.update(real, real=True)
    metric.update(compared.made, real=False)
    return [("fid", metric.compute().item(), int(metric.real_features_num_samples))]


def _kid(compared: Compared) -> Measured:
    """Binkowski et al. 2018, the mean over draws, on the teacher's features in the place of Inception's."""
    from torchmetrics.image.kid import KernelInceptionDistance

    words = (compared.seed, "kid", compared.dataset)
    most = -(-KID_REAL // len(compared.classes))
    drawn = torch.cat([real[_some(len(real), most, (*words, entry.id))] for entry, real in compared.real()])
    size = min(KID_SIZE, len(drawn), len(compared.made))
    with warnings.catch_warnings():  # of the memory that all features take: these are bounded
        warnings.simplefilter("ignore")
        metric = KernelInceptionDistance(feature=nn.Identity(), subsets=KID_SUBSETS, subset_size=size)
    metric.update(drawn.double(), real=True)
    metric.update(compared.made.double(), real=False)
    with torch.random.fork_rng(devices=[]):  # the library draws from the global generator
        torch.manual_seed(derive_seed(*words, "subsets"))
        return [("kid", metric.compute()[0].item(), len(drawn))]


MEASURES: dict[str, Callable[[Compared], Measured]] = {
    "density-coverage": _density_coverage,
    "fid": _fid,
    "kid": _kid,
}


class _Given(nn.Module):
    """What torchmetrics takes for the network that makes features: they are made already."""

    def __init__(self, width: int):
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        return features


def _some(count: int, most: int, words: tuple) -> Tensor:
    """`most` of `count` places, in order; all where there are no more."""
    if count <= most:
        return torch.arange(count)
    return torch.from_numpy(np.sort(numpy_rng(*words).choice(count, most, replace=False)))


def _features_of_set(
    distilled: str, classes: Sequence[ClassEntry], teacher: str, side: int, threads: int
) -> tuple[Tensor, np.ndarray]:
    """(M, D) float32 and labels (M,), in manifest order."""
    rows, judge = read_rows(Path(distilled, MANIFEST)), load_teacher(teacher, [c.id for c in classes])
    squares = stream_set(distilled, [row["file"] for row in rows], threads, side)
    batches = in_batches(tqdm(squares, total=len(rows), desc="describing the set", unit="image"), TOGETHER)
    found = torch.cat([features_and_logits(judge, np.stack(batch))[0] for batch in batches])
    check_seen(found, lambda row: f"class {rows[row]['class_id']}, {Path(distilled, rows[row]['file'])}")
    return found, np.array([int(row["class_index"]) for row in rows])
