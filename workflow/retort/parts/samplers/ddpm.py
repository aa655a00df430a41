"""Ancestral DDPM sampling (Ho et al. 2020), with learned variance where the model has it, as CaO2 samples."""

from retort.parts.samplers import Sampler


class Ddpm(Sampler):
    """Sampling is ancestral on a respaced schedule, with learned variance where the model has it, as CaO2 does."""

    moves_latents = True

    def steps_are_random(self) -> bool:
        return True

    def grid(self, alphas_cumprod, steps, first):
        from retort.methods import ancestral

        return ancestral.respace(alphas_cumprod, steps).below(first).timesteps[::-1]

    def sample(self, latents, denoise, alphas_cumprod, steps, first, noise):
        from retort.methods import ancestral

        added = denoise.mean_shift, denoise.move
        return ancestral.sample(latents, denoise.with_variance, alphas_cumprod, steps, noise, first, *added)

    def in_words(self) -> str:
        return "ancestral DDPM"
