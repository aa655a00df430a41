"""Choose the images of a distilled set from a generated pool: a table of which."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retort.config.seeds import derive_seed
from retort.data.files import whole_file
from retort.data.manifest import read_classes
from retort.data.tensors import open_tensors
from retort.methods.confidence import rank_candidates
from retort.methods.coverage import cover
from retort.models.teacher import features_and_logits, load_teacher, logits_of


def choose_from_pool(
    pools: Sequence[str],
    teacher: str | None,
    class_table: str,
    output: str,
    *,
    select: dict,
    ipc: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, member (of the pool) and, by a teacher, correct and confidence; `ipc` rows a class.

    select: {"teacher", "keep", "teacher_input"} or {"coverage"} with a teacher for its features, or without one for
    the latents. Warns of the classes in which the teacher recognised too few, so that wrong ones had to fill.
    """
    classes = read_classes(class_table)
    judge = load_teacher(teacher, [c.id for c in classes]) if teacher else None
    chosen, short = [], []
    for shard in map(open_tensors, pools):
        for label in np.unique(shard["class_index"]):
            members = np.flatnonzero(shard["class_index"] == label)
            entry, pixels = classes[label], shard["pixels"][members]
            if "coverage" in select:
                latents = shard["latents"][members].reshape(len(members), -1)
                features = features_and_logits(judge, pixels)[0].numpy() if judge else latents
                order = cover(
                    select["coverage"], features, ipc, derive_seed(seed, "coverage", dataset, entry.id) % 2**31
                )
                rows = [{"member": m} for m in order.tolist()]
            else:
                logits = logits_of(judge, pixels, normalise=select["teacher_input"] == "normalised")
                ranked = rank_candidates(logits, entry.index, select["keep"])
                rows = [
                    {
                        "member": m,
                        "correct": int(ranked.correct[m]),
                        "confidence": round(float(ranked.confidence[m]), 6),
                    }
                    for m in ranked.order[:ipc].tolist()
                ]
                wrong = sum(not row["correct"] for row in rows)
                short += [f"{entry.id} ({wrong} of {ipc})"] if wrong else []
            chosen += [{"class_index": entry.index, "index": i} | row for i, row in enumerate(rows)]
    if short:
        print(
            f"warning: the teacher recognised too few of the pool, so images that it takes for another class had to "
            f"fill {len(short)} of {len(classes)} classes: {', '.join(short)}. They are marked correct = 0 in the "
            "manifest. A larger generate.pool, more guidance or a better model would help."
        )
    with whole_file(output) as scratch:
        pd.DataFrame(chosen).to_csv(scratch, index=False)
