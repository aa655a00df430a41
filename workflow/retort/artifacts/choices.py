"""Choices among the candidates of a class, from a pool or from real images: how they are made and told."""

import numpy as np
import pandas as pd
from torch import Tensor

from retort.base.files import whole_file
from retort.base.seeds import derive_seed
from retort.data.manifest import ClassEntry
from retort.methods.confidence import rank_candidates
from retort.methods.coverage import cover


def judged(logits: Tensor, label: int, keep: str, count: int) -> list[dict]:
    """The first `count` candidates by `rank_candidates`: each one's position, correct (0 or 1) and confidence."""
    ranked = rank_candidates(logits, label, keep)
    return [
        {"member": m, "correct": int(ranked.correct[m]), "confidence": round(float(ranked.confidence[m]), 6)}
        for m in ranked.order[:count].tolist()
    ]


def covering(coverage: str, features: np.ndarray, count: int, *what: str | int) -> list[int]:
    """`count` candidates by `cover`, which says what it raises, from features (n, D); `what` seeds the choice."""
    return cover(coverage, features, count, derive_seed(*what) % 2**31).tolist()


def write_choices(chosen: dict[ClassEntry, list[dict]], output: str, what: str, remedy: str) -> None:
    """CSV of class_index, index and the columns of the rows of each class, in their order.

    Warns of classes with images that the teacher takes for another class: `what` they were chosen from, and a `remedy`.
    """
    wrong = {entry.id: sum(row.get("correct") == 0 for row in rows) for entry, rows in chosen.items()}
    if listed := ", ".join(f"{class_id} ({count})" for class_id, count in wrong.items() if count):
        print(
            f"warning: the teacher recognised too few of {what}, so images that it takes for another class had to fill "
            f"{sum(map(bool, wrong.values()))} classes: {listed}. They are marked correct = 0 in the manifest. {remedy}"
        )
    table = [{"class_index": e.index, "index": i} | row for e, rows in chosen.items() for i, row in enumerate(rows)]
    with whole_file(output) as scratch:
        pd.DataFrame(table).to_csv(scratch, index=False)
