"""Which noisy latents to start from, so that a few images stand for the class (D3HR)."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from retort.base.seeds import numpy_rng
from retort.base.tensors import create_tensors, open_tensors
from retort.methods.groups import BLOCK, best_groups, matched_group, score_groups
from retort.models.health import REBUILD, check_finite


def choose_starts(
    inversions: Sequence[str],
    starts: str,
    *,
    number: int,
    search: str,
    groups: int | None,
    skew_weight: float,
    dataset: str,
    seed: int,
) -> None:
    """latents (K, ipc, C, H, W) float32 for all classes in label order, with the group and its score for each.

    search: "groups" for the paper's search of so many, "closed-form" for one group that matches every class (groups is
    None). Classes share the standard normal draws, as in the reference; the group number is -1 for the closed form.
    Raises RetortError naming the class number whose statistics, or whose scores with all groups, are not finite.
    """
    shards = [open_tensors(path) for path in inversions]
    mean = np.concatenate([s["mean"] for s in shards])
    variance = np.concatenate([s["variance"] for s in shards])
    for what, values in (("mean", mean), ("variance", variance)):
        what = f"the {what} of its inverted latents in {', '.join(map(str, inversions))} is"
        check_finite(values, _class_number, what, REBUILD)
    classes, *shape = mean.shape
    flat = variance.reshape(classes, -1)

    def draw(block: int) -> np.ndarray:
        rng = numpy_rng(seed, "groups", dataset, number, block)
        return rng.standard_normal((BLOCK, number, flat.shape[1]), dtype=np.float32)

    if search == "closed-form":
        group = matched_group(draw(0)[0].astype(np.float64))
        index, score = np.full(classes, -1), score_groups(group[None], flat, skew_weight)[0]
    else:
        best = best_groups(
            draw, groups, flat, skew_weight, lambda blocks: tqdm(blocks, desc="scoring groups", unit="block")
        )
        index, score = best.index, best.score
    check_finite(score, _class_number, "the score of every group is", "lower the inversion's guidance")
    layout = {
        "latents": ((classes, number, *shape), "float32"),
        "group": ((classes,), "int64"),
        "score": ((classes,), "float64"),
    }
    with create_tensors(starts, layout) as maps:
        maps["group"][:], maps["score"][:] = index, score
        bar = tqdm(index.tolist(), desc="writing starts", unit="class")
        for label, group_number in enumerate(bar):  # one class in memory at a time
            z = group if group_number < 0 else draw(group_number // BLOCK)[group_number % BLOCK]
            maps["latents"][label] = mean[label] + np.sqrt(variance[label]) * z.reshape(number, *shape)


def _class_number(label: int) -> str:
    return f"class number {label}"
