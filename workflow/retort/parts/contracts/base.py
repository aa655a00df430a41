"""What contracts are made of, and what all parts promise."""

import random
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from retort.parts.part import Part
from retort.parts.resolve import part_of

SHAPE = (4, 4, 4)  # of a latent
CLASSES = 4


class Broken(Exception):
    """A part does not do what its family promises."""


class Contract(NamedTuple):
    """A promise: in words, and the check that gives what it found."""

    said: str
    check: Callable[[Any], str]


Promise = tuple[Contract, Callable[[Any], bool]]
"""A contract, and which parts of a family it holds."""


def always(part: Part) -> bool:
    return True


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@cache
def model():
    from retort.models.gaussian import GaussianDiffusion

    return GaussianDiffusion.random(CLASSES, SHAPE)


def hold(holds: bool, found: str) -> None:
    if not holds:
        raise Broken(found)


def twice(call: Callable[[], Any]) -> tuple[Any, Any]:
    """The same call twice, with the common generators of random numbers in other states."""
    results = []
    for state in (1, 2):
        random.seed(state)
        np.random.seed(state)  # noqa: NPY002 (which a part must not draw from)
        torch.manual_seed(state)
        results.append(call())
    return results[0], results[1]


def farthest(found: Tensor, wanted: Tensor) -> float:
    return (found.double() - wanted.double()).abs().max().item()


def _is_read_as_it_is_written(part: Part) -> str:
    written = part.model_dump(mode="json")
    again = part_of(part.family, written)
    hold(again == part, f"{written} is read as {again!r}")
    return str(written)


def _keys_are_described(part: Part) -> str:
    bare = [key for key, field in type(part).model_fields.items() if not (field.description or "").endswith(".")]
    hold(not bare, f"no sentence describes {', '.join(bare)}; give Field(description=...)")
    return f"{len(type(part).model_fields)} keys"


def _has_words(part: Part) -> str:
    said = part.in_words()
    hold(isinstance(said, str), f"in_words gives {said!r}")
    return repr(said)


ANY = [
    Contract("it is read as it is written", _is_read_as_it_is_written),
    Contract("a sentence describes each of its keys", _keys_are_described),
    Contract("it says in words what it does", _has_words),
]
