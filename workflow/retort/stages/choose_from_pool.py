"""Choose the images of a distilled set from a generated pool: a table of which."""

import numpy as np
import pandas as pd

from retort.config.seeds import derive_seed
from retort.data.files import whole_file
from retort.data.manifest import read_classes
from retort.data.tensors import open_tensors
from retort.errors import RetortError
from retort.methods.coverage import cover
from retort.models.teacher import features_and_logits, load_teacher, logits_of
from retort.stages.choices import judged, warn_of_wrong


def choose_from_pool(
    pool: str,
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
    the latents. Warns of the classes in which the teacher recognised too few, so that wrong ones had to fill. Raises
    RetortError naming a class that cannot be covered.
    """
    classes = read_classes(class_table)
    judge = load_teacher(teacher, [c.id for c in classes]) if teacher else None
    shard, chosen = open_tensors(pool), []
    for label in np.unique(shard["class_index"]):
        members = np.flatnonzero(shard["class_index"] == label)
        entry, pixels = classes[label], shard["pixels"][members]
        if "coverage" in select:
            latents = shard["latents"][members].reshape(len(members), -1)
            features = features_and_logits(judge, pixels)[0].numpy() if judge else latents
            try:
                order = cover(
                    select["coverage"], features, ipc, derive_seed(seed, "coverage", dataset, entry.id) % 2**31
                )
            except ValueError as error:
                raise RetortError(f"class {entry.id}: {error}") from None
            rows = [{"member": m} for m in order.tolist()]
        else:
            logits = logits_of(judge, pixels, normalise=select["teacher_input"] == "normalised")
            rows = judged(logits, entry.index, select["keep"], ipc)
        where = {"class_id": entry.id, "class_index": entry.index}
        chosen += [where | {"index": i} | row for i, row in enumerate(rows)]
    warn_of_wrong(chosen, "the pool", "A larger generate.pool, more guidance or a better model would help.")
    with whole_file(output) as scratch:
        pd.DataFrame(chosen).drop(columns="class_id").to_csv(scratch, index=False)
