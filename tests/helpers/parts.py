"""Parts of methods by what a config says of them."""

from retort.methods.sampling import Sampling
from retort.parts.resolve import part_of

NOISE, DRAWN = part_of("starts", "noise"), part_of("starts", {"inversion": "any"})


def sampling(
    sampler: str | dict,
    steps: int,
    first: int | None,
    guidance: float,
    strength: float | None = None,
    until: float = 1.0,
    form: str = "conditional",
) -> Sampling:
    """By a sampler, and with a strength CoDA's guide, or MGD3's by its form."""
    settings = {"discovery": "any", "strength": strength, "until": until, "form": form}
    guide = None if strength is None else part_of("guides", settings)
    return Sampling(part_of("samplers", sampler), steps, first, guidance, () if guide is None else (guide,))
