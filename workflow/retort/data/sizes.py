"""Whether classes have as many training images as the wanted sets need."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

from retort.base.errors import RetortError, some_of

WHY = {
    "set": "one image of the class for each of the set",
    "pool": "generate.pool times ipc different representatives",
    "patches": "grid x grid patches an image, each from an image of its own",
    "windows": "grid x grid patches an image, per_image from each image",
    "variance": "two, without which there is no variance",
    "neighbors": "as many neighbours of each image, and itself",
}


def settings_mark(classes: Sequence[str], *, names: dict[str, str], **settings) -> str:
    """A short hash of what decides which images a manifest lists; readable names do not."""
    return hashlib.sha256(json.dumps([list(classes), settings], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Need:
    """Training images of each class that a method needs for its largest set.

    Of `ipc` images the set takes each * ipc / of, rounded up; an ipc of 0 stands for `each` images whatever the set.
    why: one of WHY.
    """

    name: str
    ipc: int
    each: int
    of: int
    why: str

    @property
    def images(self) -> int:
        return -(-self.each * self.ipc // self.of) if self.ipc else self.each

    def fits(self, size: int) -> int:
        """The largest ipc for which so many images suffice."""
        return size * self.of // self.each


def as_word(needs: Iterable[Need]) -> str:
    """The needs as one word, for a resource of a rule: what is asked for changes no manifest."""
    return "+".join(":".join(map(str, astuple(need))) for need in needs)


def from_word(word: str) -> list[Need]:
    """From what `as_word` gives."""
    parts = [need.split(":") for need in word.split("+") if need]
    return [Need(name, int(ipc), int(each), int(of), why) for name, ipc, each, of, why in parts]


def refuse_small_classes(sizes: Mapping[str, int], needs: Iterable[Need], counted: str) -> None:
    """Raises RetortError that names every need which some class does not meet, and these classes.

    sizes: training images by class id. counted: what says so, for the message.
    """
    lines = []
    for need in needs:
        small = {class_id: size for class_id, size in sizes.items() if size < need.images}
        if small:
            listed = some_of([f"{class_id} has {size}" for class_id, size in small.items()])
            lines.append(f"{_asked(need)}: {listed}{_way_out(need, min(small.values()))}")
    if lines:
        raise RetortError(
            "\n  - ".join([f"classes have too few training images for what the config asks ({counted}):", *lines])
            + "\nLower these, add images, hold out fewer (val_fraction), or leave small classes out (dataset.classes)."
        )


def _asked(need: Need) -> str:
    of = f" at ipc {need.ipc}" if need.ipc else ""
    return f"{need.name}{of} needs {need.images} of each class ({WHY[need.why]})"


def _way_out(need: Need, smallest: int) -> str:
    if not need.ipc:
        return ""
    return f"; ipc {need.fits(smallest)} is the most" if need.fits(smallest) else "; no ipc is small enough"
