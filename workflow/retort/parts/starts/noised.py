"""Sampling starts from noised latents that stand for the class, as image-to-image does (SDEdit; D4M, CVPR 2024)."""

from pydantic import Field

from retort.base.grammar import Fraction
from retort.parts.discoveries import other_latents
from retort.parts.part import DiscoveryName
from retort.parts.starts import Start


class Noised(Start):
    """Sampling starts from noised latents of real images, or of modes, that stand for the class (D4M)."""

    told_by = "discovery"
    examples = ({}, {"strength": 0.3})

    discovery: DiscoveryName = Field(description="Image i starts from the i-th latent that this discovery finds.")
    strength: Fraction = Field(
        0.7,
        description="This share of the steps is made, from latents with the noise of the first of them: 0 is the "
        "latent itself, decoded, and 1 is pure noise, in which nothing is left of it. D4M has 0.7.",
    )

    def latent(self, noise, drawn):
        return self.begin(noise, drawn, None)

    def begin(self, noise, drawn, signal):
        fresh = noise()
        if self.strength == 1 or signal is None:
            return fresh
        return drawn if signal == 1 else signal**0.5 * drawn + (1 - signal) ** 0.5 * fresh

    def begins(self, steps):
        """As diffusers' image-to-image counts: the integer part of steps * strength of the steps are made."""
        return None if self.strength == 1 else int(steps * self.strength) - 1

    def misfits(self, place, method, config):
        yield from other_latents(f"{place}.start", self.discovery, method, config)

    def in_words(self) -> str:
        return f"starting from {self.begun()}"

    def begun(self) -> str:
        return f"what {self.discovery} finds, noised with strength {self.strength:g}"
