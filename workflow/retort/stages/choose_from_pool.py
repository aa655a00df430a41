"""Choose the images of a distilled set from a generated pool: a table of which."""

import numpy as np

from retort.data.manifest import read_classes
from retort.data.tensors import open_tensors
from retort.errors import RetortError
from retort.models.teacher import features_and_logits, load_teacher, logits_of
from retort.stages.choices import covering, judged, write_choices


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
    shard, chosen = open_tensors(pool), {}
    for label in np.unique(shard["class_index"]):
        members = np.flatnonzero(shard["class_index"] == label)
        entry, pixels = classes[label], shard["pixels"][members]
        if "coverage" in select:
            latents = shard["latents"][members].reshape(len(members), -1)
            features = features_and_logits(judge, pixels)[0].numpy() if judge else latents
            try:
                found = covering(select["coverage"], features, ipc, seed, "coverage", dataset, entry.id)
            except ValueError as error:
                raise RetortError(f"class {entry.id}: {error}") from None
            chosen[entry] = [{"member": member} for member in found]
        else:
            logits = logits_of(judge, pixels, normalise=select["teacher_input"] == "normalised")
            chosen[entry] = judged(logits, entry.index, select["keep"], ipc)
    remedy = "A larger generate.pool, more guidance or a better model would help."
    write_choices(chosen, output, "the pool", remedy)
