"""Group selection (D3HR): all classes by two matrix products against the loop over classes, and the closed form.

IPC 10, D = 4096. The loop samples each class's candidates, mean + std * z, and scores them directly in float32, as the
reference does. Both sides score the same draws z, whose drawing is not counted (the reference draws them for each class
anew), and must choose the same groups. The second row spares the loop numpy's slow power, which the first one has.
"""

import numpy as np
import torch

from bench.limits import matmul_peak, read_bandwidth
from bench.rows import Row, in_turn
from retort.methods.groups import BLOCK, best_groups, matched_group, score_groups

IPC, DIMS, SKEW_WEIGHT = 10, 4096, 0.1


def measure(full: bool) -> list[Row]:
    return [*_search(100, 8 * BLOCK if full else BLOCK), *(_search(1000, BLOCK) if full else []), _closed_form(full)]


def chosen_by_loop(mean: np.ndarray, std: np.ndarray, z: np.ndarray, power: bool) -> np.ndarray:
    """The chosen group of each class, (K,): sample, score, keep the best, class by class."""
    factor, chosen = DIMS / ((DIMS - 1) * (DIMS - 2)), []
    for centre, spread in zip(mean, std, strict=True):
        scores = []
        for first in range(0, len(z), BLOCK):
            candidates = centre + spread * z[first : first + BLOCK]
            group_mean, group_std = candidates.mean(axis=1), candidates.std(axis=1, ddof=1)
            scaled = (candidates - group_mean[:, None]) / group_std[:, None]
            cubes = scaled**3 if power else scaled * scaled * scaled
            scores.append(
                np.linalg.norm(group_mean - centre, axis=1)
                + np.linalg.norm(group_std - spread, axis=1)
                + SKEW_WEIGHT * np.linalg.norm(cubes.sum(axis=2) * factor, axis=1)
            )
        chosen.append(np.concatenate(scores).argmin())
    return np.array(chosen)


def _search(classes: int, groups: int) -> list[Row]:
    mean, std, z = _drawn(classes, groups)
    variance = std.astype(np.float64) ** 2
    limit = 4 * groups * classes * DIMS / matmul_peak(torch.device("cpu"), torch.float64) + z.nbytes / read_bandwidth()
    seconds, (ours, *loops) = in_turn(
        lambda: best_groups(lambda b: z[b * BLOCK : (b + 1) * BLOCK], groups, variance, SKEW_WEIGHT).index,
        lambda: chosen_by_loop(mean, std, z, power=True),
        lambda: chosen_by_loop(mean, std, z, power=False),
        repeats=2 if classes * groups < 50_000 else 1,
    )
    rows = []
    for cubes, slow, theirs in zip(("x ** 3", "x * x * x"), seconds[1:], loops, strict=True):
        work = f"group selection, {classes} classes, {groups} groups; the loop has {cubes}"
        same = np.mean(ours == theirs)
        limits = limit / seconds[0], "matmul and one read"
        rows.append(Row(work, seconds[0], slow, f"{same:.0%} same groups", same == 1, *limits))
    return rows


def _closed_form(full: bool) -> Row:
    """One matched group for every class against the library's own search."""
    classes, groups = 100, 1000 if full else 2 * BLOCK
    _, std, z = _drawn(classes, groups)
    variance = std.astype(np.float64) ** 2

    def matched() -> np.ndarray:
        return score_groups(matched_group(z[0].astype(np.float64))[None], variance, SKEW_WEIGHT)[0]

    def searched() -> np.ndarray:
        return best_groups(lambda b: z[b * BLOCK : (b + 1) * BLOCK], groups, variance, SKEW_WEIGHT).score

    seconds, (exact, found) = in_turn(matched, searched, repeats=3)
    scores = f"mean score {exact.mean():.2g} instead of {found.mean():.4g}"
    return Row(f"its closed form instead of our search, {groups} groups", *seconds, scores, bool((exact < found).all()))


def _drawn(classes: int, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and std of each class, (K, D), and draws, (groups, IPC, D), all float32."""
    rng = np.random.default_rng(classes)
    std = rng.uniform(0.5, 1.5, (classes, DIMS)).astype(np.float32)
    mean, z = (rng.standard_normal(shape, dtype=np.float32) for shape in ((classes, DIMS), (groups, IPC, DIMS)))
    return mean, std, z
