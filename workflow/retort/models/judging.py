"""Whether a classifier may be believed, by what it calls the real validation images."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtrc

from retort.base.errors import RetortError, some_of

BY_LUCK = 0.01  # how often a guesser may pass for a classifier
ONE_VOICE = 2 / 3  # share of a class's images that must be called the same, before that counts as its name
HEARD = 4  # images at least that must be; fewer say so by chance
BELOW = 0.05  # how far a teacher may stay below what is expected of it

TRAINED_BADLY = (
    "too few training steps, a learning rate too high, or a class order that differs between the teacher and "
    "classes.csv"
)
ADOPTED_BADLY = (
    "a class order that is not the one its head was trained with (teachers.{name}.classes), a normalisation or "
    "resolution that is not its own (mean, std, resolution), another stem than it was trained with (resnet18 for "
    "large images, resnet18_modified for small ones), images enlarged from far fewer pixels, or validation images "
    "that are not of the split its accuracy was measured on"
)


def check_teacher(
    called: np.ndarray,
    labels: np.ndarray,
    class_ids: Sequence[str],
    name: str,
    expect: float | None = None,
    causes: str = TRAINED_BADLY,
    how: str = "",
) -> float:
    """Top-1 (a fraction) of a teacher that calls images of `labels` (N,) by the class indices `called` (N,).

    Raises RetortError when it calls classes by each other's names, when it is no better than a guess, when there are
    too few images to tell (and nothing is expected of it), and when it stays more than 0.05 below `expect`. `how` the
    images were shown, where that is not the usual way.
    """
    images, top1 = len(labels), float((called == labels).mean())
    who = f"teacher {name!r}{how}"
    if swapped := swapped_names(called, labels, len(class_ids)):
        raise RetortError(_in_another_order(swapped, class_ids, who, name, top1))
    chance = _largest_share(labels)
    if _luck(images, images, chance) > BY_LUCK:
        if expect is None:
            raise RetortError(_too_few(images, chance, who, "" if how else name))
    elif _luck(round(top1 * images), images, chance) > BY_LUCK:
        against = f"a guess scores up to {_best_guess(images, chance):.3f}"
        raise RetortError(_worthless(who, name, top1, images, against, causes))
    if expect is not None and top1 < expect - BELOW:
        raise RetortError(_worthless(who, name, top1, images, f"{expect:.3f} is expected of it", causes))
    return top1


def no_better_than_a_guess(hits: int, images: int, classes: int) -> bool:
    """Whether a guesser among so many classes would be right at least `hits` times more often than 1 time in 100."""
    return _luck(hits, images, 1 / classes) > BY_LUCK


def swapped_names(called: np.ndarray, labels: np.ndarray, classes: int) -> dict[int, int]:
    """Class -> the other class by whose name its images go with one voice, where classes have each other's names.

    That is no weakness of a classifier, which mistakes several classes for one: here each name is taken by one class
    alone, and the class that it belongs to goes by another, round to the first; or most classes go by names that are
    not theirs, if not all of them are heard. Empty where there are no such classes.
    """
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, called), 1)
    voice = table.argmax(1)
    heard = table.max(1) >= np.maximum(ONE_VOICE * table.sum(1), HEARD)
    other = {c: int(voice[c]) for c in range(classes) if heard[c] and voice[c] != c}
    names, right = list(other.values()), {c for c in range(classes) if heard[c] and voice[c] == c}
    swapped = {c: to for c, to in other.items() if names.count(to) == 1 and to not in right}
    return swapped if 2 * len(swapped) >= classes and len(swapped) > 1 else _circles(swapped)


def _circles(swapped: dict[int, int]) -> dict[int, int]:
    """Those that lead round to where they began."""
    while lost := [c for c, to in swapped.items() if to not in swapped or c not in swapped.values()]:
        swapped = {c: to for c, to in swapped.items() if c not in lost}
    return swapped


def _largest_share(labels: np.ndarray) -> float:
    """What always naming the largest class scores; 1 over the classes where all are as large."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def _luck(hits: int, images: int, chance: float) -> float:
    """How often a guess is right at least `hits` times: the binomial tail, exactly."""
    return float(bdtrc(hits - 1, images, chance)) if hits else 1.0


def _best_guess(images: int, chance: float) -> float:
    """The highest score that luck may reach."""
    return max(hits for hits in range(images + 1) if _luck(hits, images, chance) > BY_LUCK) / images


def _too_few(images: int, chance: float, who: str, name: str) -> str:
    needed = math.ceil(math.log(BY_LUCK) / math.log(chance)) if chance < 1 else None
    wanted = f"at least {needed} are needed" if needed else "images of a second class are needed"
    return (
        f"{images} validation images are too few to distinguish {who} from a guess, which is right on all of them "
        f"with a chance of {chance**images:.2g}; {wanted}. Hold out more images (dataset.val_fraction, or more in val/)"
        + (f", or say in teachers.{name}.expect what it is known to reach." if name else ".")
    )


def _worthless(who: str, name: str, top1: float, images: int, against: str, causes: str) -> str:
    return (
        f"{who} reaches top-1 {top1:.3f} on the {images} validation images, but {against}. Its labels would "
        f"be worthless. Likely causes: {causes.format(name=name)}. See teachers.{name} in the config."
    )


def _in_another_order(swapped: dict[int, int], class_ids: Sequence[str], who: str, name: str, top1: float) -> str:
    pairs = [f"{class_ids[c]} as {class_ids[to]}" for c, to in swapped.items()]
    order = _order_that_fits(swapped, class_ids)
    known = f" The order that fits what it says is {some_of(order, 20)}." if order else ""
    return (
        f"{who} calls {len(swapped)} of {len(class_ids)} classes by each other's names ({some_of(pairs)}), so it "
        f"reaches top-1 {top1:.3f}: the rows of its head are in another order than the data set's classes, "
        f"{some_of(class_ids)}.{known} Set dataset.classes (or teachers.{name}.classes) to the order that its head was "
        "trained with; folder names sort as text, so that 10 comes before 2."
    )


def _order_that_fits(swapped: dict[int, int], class_ids: Sequence[str]) -> list[str]:
    """The class of each row of the head; empty where the names that are swapped do not fill each other's rows."""
    if set(swapped) != set(swapped.values()):
        return []
    rows = {to: c for c, to in swapped.items()}
    return [class_ids[rows.get(row, row)] for row in range(len(class_ids))]
