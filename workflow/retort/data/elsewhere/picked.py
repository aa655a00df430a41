"""Which images of a set made elsewhere are taken for so many images per class."""

from collections import Counter
from collections.abc import Mapping, Sequence

from retort.base.errors import RetortError, some_of
from retort.base.words import counted
from retort.data.manifest import ClassEntry


def picked(
    called: Sequence[str], meaning: Mapping[str, int], classes: Sequence[ClassEntry], ipc: int, fewer: bool
) -> list[list[int]]:
    """For each class, in label order, the positions of its first `ipc` images.

    called: what the set calls the class of each image, in the order in which images count; meaning: our label of each
    such name that is taken. fewer: whether classes may have less than `ipc` images. Raises RetortError that names every
    class which has no image, or too few.
    """
    held: list[list[int]] = [[] for _ in classes]
    for position, name in enumerate(called):
        if name in meaning:
            held[meaning[name]].append(position)
    if not called:
        raise RetortError(f"holds no image; each of the {len(classes)} classes needs {ipc}")
    if empty := [entry.id for entry in classes if not held[entry.index]]:
        raise RetortError(
            f"has no image of {len(empty)} of the {len(classes)} classes: {some_of(empty)}; a set has images of every "
            "class, so add them, or leave these classes out of the data set (dataset.classes)"
        )
    small = [f"{entry.id} has {len(held[entry.index])}" for entry in classes if len(held[entry.index]) < ipc]
    if small and not fewer:
        least = min(map(len, held))
        raise RetortError(
            f"has too few images of {len(small)} of the {len(classes)} classes for ipc {ipc}: {some_of(small)}; ask "
            f"for ipc {least} in runs, or evaluate what is there with ipc: any"
        )
    return [positions[:ipc] for positions in held]


def in_words(called: Sequence[str], meaning: Mapping[str, int], taken: Sequence[Sequence[int]], ipc: int) -> list[str]:
    """What there is to say of what was taken and left."""
    sizes = Counter(meaning[name] for name in called if name in meaning)
    lines, are = [], "is" if ipc == 1 else "are"
    if (most := max(sizes.values())) > ipc:
        lines.append(f"of up to {counted(most, 'image')} of a class, the first {ipc} {are} taken")
    if small := sum(len(positions) < ipc for positions in taken):
        least = min(map(len, taken))
        lines.append(f"classes with fewer than {ipc} images: {small}; the smallest has {least} (ipc: any)")
    if left := sorted(set(called) - set(meaning)):
        lines.append(f"classes that the config's classes does not name are left out: {some_of(left)}")
    return lines
