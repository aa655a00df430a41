"""DDIM (Song et al. 2021), as D3HR samples; with eta above 0 it is stochastic."""

from pydantic import Field

from retort.parts.samplers import Sampler


class Ddim(Sampler):
    """Sampling runs DDIM on an even grid of timesteps, without noise unless eta says otherwise, as D3HR does."""

    on_ddim_grid = True
    moves_latents = True
    examples = ({}, {"eta": 0.5})

    eta: float = Field(
        0.0,
        ge=0,
        le=1,
        description="This share of the posterior's deviation is added as fresh noise at each step (Song et al. 2021, "
        "equation 16): 0 is deterministic DDIM, 1 is ancestral sampling on DDIM's grid.",
    )

    def steps_are_random(self) -> bool:
        return self.eta > 0

    def grid(self, alphas_cumprod, steps, first):
        from retort.methods import ddim

        return ddim.grid(alphas_cumprod, steps, steps - 1 if first is None else first)

    def sample(self, latents, denoise, alphas_cumprod, steps, first, noise):
        from retort.methods import ddim

        begin, added = steps - 1 if first is None else first, (denoise.mean_shift, denoise.move)
        return ddim.sample(latents, denoise, alphas_cumprod, steps, begin, self.eta, noise, *added)

    def in_words(self) -> str:
        return f"DDIM with eta {self.eta:g}" if self.eta else "DDIM"
