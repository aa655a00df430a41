"""Second-order DPM-Solver++ with Karras sigmas (Lu et al. 2022), as CoDA samples."""

from retort.parts.samplers import Sampler


class DpmPlusPlus(Sampler):
    """Sampling runs second-order DPM-Solver++ on Karras sigmas, as CoDA does."""

    kind = "dpm++"
    usual_steps = 25

    def grid(self, alphas_cumprod, steps, first):
        from retort.methods import dpm_solver

        return dpm_solver.grid(alphas_cumprod, steps, first=first)[0]

    def signal(self, alphas_cumprod, steps, first):
        from retort.methods import dpm_solver

        return 1 / (1 + dpm_solver.grid(alphas_cumprod, steps, first=first)[1][0] ** 2)

    def sample(self, latents, denoise, alphas_cumprod, steps, first, noise):
        from retort.methods import dpm_solver

        return dpm_solver.sample(latents, denoise, alphas_cumprod, steps, first=first)

    def in_words(self) -> str:
        return "DPM-Solver++"
