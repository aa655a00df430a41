"""PNDM without Runge-Kutta steps (Liu et al., ICLR 2022): Stable Diffusion's own sampler, by which D4M samples."""

from typing import Literal

from pydantic import Field

from retort.parts.samplers import Sampler


class Pndm(Sampler):
    """Sampling runs PNDM on Stable Diffusion's timesteps, a linear multistep of fourth order, as D4M does."""

    more_calls = 1
    moves_latents = True
    examples = ({}, {"partial": "reference"})

    partial: Literal["clean", "reference"] = Field(
        "clean",
        description="Sampling from a later step begins in this way: clean makes its first step twice, as from pure "
        "noise; reference is diffusers' image-to-image, and so D4M's, which begins a step earlier and leaves one out.",
    )

    def grid(self, alphas_cumprod, steps, first):
        from retort.methods import plms

        return plms.grid(alphas_cumprod, steps, first, self.partial == "reference")

    def sample(self, latents, denoise, alphas_cumprod, steps, first, noise):
        from retort.methods import plms

        return plms.sample(latents, denoise, alphas_cumprod, steps, first, self.partial == "reference", denoise.move)

    def in_words(self) -> str:
        return "PNDM" if self.partial == "clean" else "PNDM as in diffusers' image-to-image"
