"""What discoveries promise."""

import numpy as np

from retort.parts.contracts.base import SHAPE, Contract, Promise, hold, normal, twice
from retort.parts.discoveries import Found, mistake_of
from retort.parts.part import Part

IMAGES = 24


def _latents() -> np.ndarray:
    """Of four clear groups, with two images that are alike."""
    found = normal(0, IMAGES, *SHAPE).numpy() + 6 * normal(1, 4, *SHAPE).numpy()[np.arange(IMAGES) % 4]
    found[-1] = found[0]
    return found.astype(np.float32)


def _found(part: Part, count: int, seed: int = 7) -> Found:
    latents = _latents()
    found = part.find(latents, [f"image-{i}" for i in range(IMAGES)], count, seed)
    hold(np.array_equal(latents, _latents()), "the latents were changed in place")
    return found


def _finds_as_many_as_are_wanted(part: Part) -> str:
    for count in (1, 3, 10, IMAGES):
        found = _found(part, count)
        wrong = mistake_of(found, count, (IMAGES, *SHAPE))
        hold(wrong is None, f"it {wrong}")
        hold(found.centres is None or bool(np.isfinite(found.centres).all()), f"latents that are not finite of {count}")
    return f"1 to {IMAGES} of {IMAGES} images, each another"


def _finds_the_same_twice(part: Part) -> str:
    one, other = twice(lambda: _found(part, 5))
    hold(list(one.rows) == list(other.rows), f"the same seed finds {list(one.rows)} and {list(other.rows)}")
    alike = one.centres is None or np.array_equal(one.centres, other.centres)
    hold(alike, "the same seed finds two latents")
    return "the same images and latents"


def _finds_by_itself(part: Part) -> bool:
    return part.stages == ("find_representatives",)


FAMILIES: dict[str, list[Promise]] = {
    "discoveries": [
        (Contract("it finds exactly as many as are wanted", _finds_as_many_as_are_wanted), _finds_by_itself),
        (Contract("it finds the same twice", _finds_the_same_twice), _finds_by_itself),
    ]
}
