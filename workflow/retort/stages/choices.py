"""How a teacher's choice among candidates is told: columns of a table, and a warning where wrong ones had to fill."""

from collections.abc import Sequence

from torch import Tensor

from retort.methods.confidence import rank_candidates


def judged(logits: Tensor, label: int, keep: str, count: int) -> list[dict]:
    """The first `count` candidates by `rank_candidates`: each one's position, correct (0 or 1) and confidence."""
    ranked = rank_candidates(logits, label, keep)
    return [
        {"member": m, "correct": int(ranked.correct[m]), "confidence": round(float(ranked.confidence[m]), 6)}
        for m in ranked.order[:count].tolist()
    ]


def warn_of_wrong(chosen: Sequence[dict], what: str, remedy: str) -> None:
    """Prints which classes hold images that the teacher takes for another class; rows have class_id and correct."""
    wrong: dict[str, int] = {}
    for row in chosen:
        if row.get("correct") == 0:
            wrong[row["class_id"]] = wrong.get(row["class_id"], 0) + 1
    if wrong:
        listed = ", ".join(f"{class_id} ({n})" for class_id, n in wrong.items())
        print(
            f"warning: the teacher recognised too few of {what}, so images that it takes for another class had to fill "
            f"{len(wrong)} classes: {listed}. They are marked correct = 0 in the manifest. {remedy}"
        )
