"""Mode guidance with a second term, towards a noised ball around the mode (ManifoldGD, CVPR 2026)."""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Count, Fraction
from retort.parts.guides import Guide
from retort.parts.part import DiscoveryName


class Manifold(Guide):
    """Each image is drawn towards a mode as MGD3 does it, and towards a noised ball around that mode (ManifoldGD)."""

    examples = ({}, {"form": "clean", "until": 1.0})

    discovery: DiscoveryName = Field(description="The modes are what this discovery finds.")
    form: Literal["posterior", "clean"] = Field(
        "posterior",
        description="This is what moves, after CFG: posterior is the mean of each random step, clean is the clean "
        "latent that the prediction implies, on any sampler.",
    )
    mode_strength: float = Field(0.1, ge=0, description="This is MGD3's lambda, of the pull towards the mode.")
    manifold_strength: float = Field(
        0.1, ge=0, description="The second term has at most this length at each step; 0 leaves MGD3's guide."
    )
    until: Fraction = Field(0.5, description="This share of the steps is guided, counted as MGD3's code counts.")
    radius: float = Field(0.1, gt=0, description="The ball around a mode has this radius, in units of latents.")
    radius_growth: float = Field(1.0, ge=1, description="At the noisiest step the radius is this many times as large.")
    growth: Literal["linear", "cosine", "exp"] = Field(
        "linear", description="The radius takes this curve down from its largest."
    )
    warm_steps: int = Field(0, ge=0, description="It is larger in this many of the noisiest steps.")
    bandwidth: float = Field(0.1, gt=0, description="Nearer than about this distance the second term becomes shorter.")
    dimensions: Count = Field(
        1, le=11, description="The plane that the second term points to has this many; twelve points span 11."
    )

    def acts_on(self):
        return self.form

    def shift(self, course):
        import torch

        from retort.methods import manifold
        from retort.methods.mode_guidance import last_guided, shift_towards

        grid, own = list(course.timesteps), [torch.Generator().manual_seed(seed) for seed in course.seeds]
        last, steps = last_guided(grid, self.until), len(grid)
        towards_mode = shift_towards(course.targets, self.mode_strength, last)
        stop = steps - 1 - grid.index(last)

        def second(latents, timestep):
            index = steps - 1 - grid.index(timestep)
            schedule = (self.radius, self.radius_growth, self.growth, self.warm_steps)
            radius, signal = manifold.radius_at(index, steps, stop, *schedule), float(course.alphas_cumprod[timestep])
            found = []
            for latent, mode, generator in zip(latents, course.targets, own, strict=True):
                drawn = tuple(tensor.to(latent) for tensor in manifold.draws(latent.shape, generator))
                found.append(manifold.term(latent, mode, drawn, signal, radius, self.bandwidth, self.dimensions))
            return self.manifold_strength * torch.stack(found)

        def shift(latents, clean, timestep, deviation):
            moved = towards_mode(latents, clean, timestep, deviation)
            if self.manifold_strength == 0 or timestep <= last:
                return moved
            return second(latents, timestep) if moved is None else moved + second(latents, timestep)

        return shift

    def in_words(self) -> str:
        return (
            f"drawn towards modes ({self.discovery}) with strength {self.mode_strength:g}, and towards balls around "
            f"them with {self.manifold_strength:g}"
        )
