"""Choose the images of a distilled set from a generated pool: a table of which."""

from collections.abc import Callable

import numpy as np
from torch import nn
from tqdm import tqdm

from retort.artifacts.choices import chosen_rows, write_choices
from retort.base.tensors import open_tensors
from retort.data.manifest import ClassEntry, read_classes
from retort.models.health import REBUILD, check_finite
from retort.models.teacher import check_seen, features_and_logits, load_teacher, logits_of
from retort.parts.selections import Seen, Selection

REMEDY = "A larger generate.pool, more guidance or a better model would help."
RAW = (
    "The teacher sees the pool without normalisation (select.teacher_input: raw), as torchvision's ResNet-18 in CaO2's "
    "code; any other teacher needs select.teacher_input: normalised. "
)


def choose_from_pool(
    pool: str,
    teacher: str | None,
    class_table: str,
    selection: str,
    *,
    select: Selection,
    ipc: int,
    dataset: str,
    seed: int,
) -> None:
    """CSV of class_index, index, member (of the pool) and the columns of the selection; `ipc` rows a class.

    The selection sees what the teacher sees in the images of the pool, or without a teacher their latents. Warns of the
    classes in which the teacher recognised too few, so that wrong ones had to fill. Raises RetortError naming a class
    that cannot be covered, or in whose images the teacher sees what is not finite.
    """
    classes = read_classes(class_table)
    judge = load_teacher(teacher, [c.id for c in classes]) if teacher else None
    shard, chosen = open_tensors(pool), {}
    for label in tqdm(np.unique(shard["class_index"]), desc="choosing", unit="class"):
        members = np.flatnonzero(shard["class_index"] == label)
        entry, pixels = classes[label], shard["pixels"][members]

        def name_of(member: int, entry: ClassEntry = entry) -> str:
            return f"class {entry.id}, image {member} of the pool"

        if judge:
            seen = _by_teacher(judge, pixels, select.sees_raw(), int(label), name_of)
        else:
            latents = shard["latents"][members].reshape(len(members), -1)
            check_finite(latents, name_of, f"a latent in {pool} is", REBUILD)
            seen = Seen(latents, None, int(label))
        chosen[entry] = chosen_rows(select, seen, entry, ipc, (seed, "coverage", dataset))
    write_choices(chosen, selection, "the pool", (RAW if select.sees_raw() else "") + REMEDY)


def _by_teacher(judge: nn.Module, pixels: np.ndarray, raw: bool, label: int, name_of: Callable[[int], str]) -> Seen:
    """What a teacher sees in images (n, side, side, 3) of a class; of raw ones its logits alone."""
    if raw:
        features, logits = None, logits_of(judge, pixels, normalise=False)
    else:
        features, logits = features_and_logits(judge, pixels)
        check_seen(features, name_of)
        features = features.numpy()
    check_seen(logits, name_of)
    return Seen(features, logits, label)
