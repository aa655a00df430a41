"""Choose the images of a distilled set from a generated pool: a table of which."""

import numpy as np
from tqdm import tqdm

from retort.artifacts.choices import covering, judged, write_choices
from retort.base.errors import RetortError
from retort.base.tensors import open_tensors
from retort.data.manifest import ClassEntry, read_classes
from retort.models.health import DAMAGED, check_finite
from retort.models.teacher import check_seen, features_and_logits, load_teacher, logits_of


def choose_from_pool(
    pool: str,
    teacher: str | None,
    class_table: str,
    selection: str,
    *,
    select: dict,
    ipc: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, member (of the pool) and, by a teacher, correct and confidence; `ipc` rows a class.

    select: {"teacher", "keep", "teacher_input"} or {"coverage"} with a teacher for its features, or without one for
    the latents. Warns of the classes in which the teacher recognised too few, so that wrong ones had to fill. Raises
    RetortError naming a class that cannot be covered, or in whose images the teacher sees what is not finite.
    """
    classes = read_classes(class_table)
    judge = load_teacher(teacher, [c.id for c in classes]) if teacher else None
    shard, chosen = open_tensors(pool), {}
    for label in tqdm(np.unique(shard["class_index"]), desc="choosing", unit="class"):
        members = np.flatnonzero(shard["class_index"] == label)
        entry, pixels = classes[label], shard["pixels"][members]

        def name_of(member: int, entry: ClassEntry = entry) -> str:
            return f"class {entry.id}, image {member} of the pool"

        if "coverage" in select:
            if judge:
                features = features_and_logits(judge, pixels)[0].numpy()
                check_seen(features, name_of)
            else:
                features = shard["latents"][members].reshape(len(members), -1)
                check_finite(features, name_of, f"a latent in {pool} is", DAMAGED)
            try:
                found = covering(select["coverage"], features, ipc, seed, "coverage", dataset, entry.id)
            except ValueError as error:
                raise RetortError(f"class {entry.id}: {error}") from None
            chosen[entry] = [{"member": member} for member in found]
        else:
            logits = logits_of(judge, pixels, normalise=select["teacher_input"] == "normalised")
            check_seen(logits, name_of)
            chosen[entry] = judged(logits, entry.index, select["keep"], ipc)
    remedy = "A larger generate.pool, more guidance or a better model would help."
    write_choices(chosen, selection, "the pool", remedy)
