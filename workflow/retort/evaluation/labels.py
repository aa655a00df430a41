"""The form in which a teacher's labels are kept: all logits, or the highest and what the others come to."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Top:
    """Only the `count` highest logits of a view are kept; the other classes share what is left evenly.

    What is left is measured at `temperature`: there, and only there, the targets p' have the teacher's probabilities p
    for the kept classes and its mass R for the others together. With s the range of the teacher's other logits and t
    that of the student's, both over the temperature, KL(p || p') <= R s^2 / 8, |p - p'|_1 <= R s / 2, and the loss
    KL(. || student) differs by at most R (s^2 / 8 + s t / 4): Hoeffding's lemma, and Pinsker's inequality.
    """

    count: int
    temperature: float


def label_arrays(classes: int, top: Top | None) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape (of one view) and dtype of what is kept of every view, of K = `classes` logits.

    logits: (K,) all of them, or (k,) the highest, falling; classes: (k,) which these are; rest: what the logit of each
    other class becomes. `top` of K or more keeps all.
    """
    if _keeps_all(classes, top):
        return {"logits": ((classes,), "float16")}
    indices = "int16" if classes < 2**15 else "int32"
    return {
        "logits": ((top.count,), "float16"),
        "classes": ((top.count,), indices),
        "rest": ((), "float32"),
    }


def kept_labels(logits: Tensor, top: Top | None) -> dict[str, Tensor]:
    """What is kept of logits (B, K): the arrays of `label_arrays`, one row per view, where the logits are."""
    logits, classes = logits.half(), logits.shape[1]
    if _keeps_all(classes, top):
        return {"logits": logits}
    highest, indices = logits.topk(top.count, dim=1)
    others = (logits.double() / top.temperature).scatter(1, indices, -math.inf)
    rest = top.temperature * (others.logsumexp(dim=1) - math.log(classes - top.count))
    dtype = torch.int16 if classes < 2**15 else torch.int32
    return {"logits": highest, "classes": indices.to(dtype), "rest": rest.float()}


def restored_logits(kept: dict[str, Tensor], classes: int) -> Tensor:
    """(B, K) float32 logits of what `kept_labels` kept, where it is."""
    logits = kept["logits"].float()
    if "rest" not in kept:
        return logits
    return kept["rest"][:, None].repeat(1, classes).scatter(1, kept["classes"].long(), logits)


def _keeps_all(classes: int, top: Top | None) -> bool:
    return top is None or top.count >= classes
