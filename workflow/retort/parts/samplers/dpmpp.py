"""Second-order DPM-Solver++ (Lu et al. 2022), with Karras sigmas as CoDA samples, or even timesteps as ASF does."""

from typing import Literal

from pydantic import Field

from retort.parts.samplers import Sampler


class DpmPlusPlus(Sampler):
    """Sampling runs second-order DPM-Solver++ on Karras sigmas, as CoDA does, or on even timesteps."""

    kind = "dpm++"
    usual_steps = 25
    moves_latents = True
    examples = ({}, {"spacing": "linspace"})

    spacing: Literal["karras", "linspace"] = Field(
        "karras",
        description="The noise levels of its steps are spaced in this way: karras are Karras' sigmas, as CoDA has "
        "them; linspace are even timesteps from the noisiest to 0, diffusers' default, as ASF has them.",
    )

    def grid(self, alphas_cumprod, steps, first):
        from retort.methods import dpm_solver

        return dpm_solver.grid(alphas_cumprod, steps, first=first, karras=self._karras())[0]

    def signal(self, alphas_cumprod, steps, first):
        from retort.methods import dpm_solver

        _, sigmas = dpm_solver.grid(alphas_cumprod, steps, first=first, karras=self._karras())
        return 1 / (1 + sigmas[0] ** 2)

    def sample(self, latents, denoise, alphas_cumprod, steps, first, noise):
        from retort.methods import dpm_solver

        added = {"karras": self._karras(), "move": denoise.move}
        return dpm_solver.sample(latents, denoise, alphas_cumprod, steps, first=first, **added)

    def _karras(self) -> bool:
        return self.spacing == "karras"

    def in_words(self) -> str:
        return "DPM-Solver++" if self._karras() else "DPM-Solver++ on even timesteps"
