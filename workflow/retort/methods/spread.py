"""Whether inverted latents lie as their noise level says, and whether they are normal, as D3HR supposes of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

WIDEST = 1.25  # times the expected spread, or its inverse, before it is said
NOTICED = 0.01  # nats per coordinate; below it inverted latents count as normal


@dataclass(frozen=True)
class Spread:
    """Of one class.

    observed: root mean square, over coordinates, of the standard deviation of its inverted latents; expected: the same
    of an exact model; negentropy and clean_negentropy: nats per coordinate, of its inverted and of its clean latents.
    """

    observed: float
    expected: float
    negentropy: float
    clean_negentropy: float

    @property
    def ratio(self) -> float:
        return self.observed / self.expected


def expected_spread(variance: np.ndarray, alpha_bar: float) -> float:
    """sqrt(1 - alpha_bar + alpha_bar var): what adding noise gives latents of this variance per coordinate.

    DDIM inversion without guidance carries the distribution of a class to the same noisy one, if the model is exact
    (Song et al. 2021, probability flow); so the spread of what it gives is this one. variance: of clean latents.
    """
    return float(np.sqrt(1 - alpha_bar + alpha_bar * np.mean(variance)))


def spread_of(variance: np.ndarray) -> float:
    """Root mean square of the standard deviation over coordinates."""
    return float(np.sqrt(np.mean(variance)))


def said_of(spreads: Mapping[str, Spread]) -> list[str]:
    """What is wrong with the inversion of classes, one sentence each with the remedy; by class id."""
    wide = {c: s for c, s in spreads.items() if s.ratio > WIDEST}
    narrow = {c: s for c, s in spreads.items() if s.ratio < 1 / WIDEST}
    odd = {c: s for c, s in spreads.items() if s.negentropy > max(NOTICED, s.clean_negentropy)}
    said = []
    if wide:
        said.append(
            f"the inverted latents of {_worst(wide, spreads)} spread more than {WIDEST:g} times as far as expected; "
            "lower the inversion's guidance (4 is DiT-XL's), or train the model longer"
        )
    if narrow:
        said.append(
            f"the inverted latents of {_worst(narrow, spreads)} spread less than {1 / WIDEST:g} times as far as "
            "expected; change the inversion's guidance, or train the model longer"
        )
    if odd:
        most = max(odd, key=lambda c: odd[c].negentropy)
        said.append(
            f"the inverted latents of {len(odd)} of {len(spreads)} classes are less normal than the latents they come "
            f"from (most of class {most}, negentropy {odd[most].negentropy:.3f} after {odd[most].clean_negentropy:.3f} "
            "nats), but D3HR describes them by a normal distribution; lower the inversion's guidance"
        )
    return said


def _worst(found: Mapping[str, Spread], spreads: Mapping[str, Spread]) -> str:
    worst = max(found, key=lambda c: abs(np.log(found[c].ratio)))
    of = found[worst]
    return (
        f"{len(found)} of {len(spreads)} classes (most of class {worst}, {of.observed:.2f} where {of.expected:.2f} is "
        "expected)"
    )
