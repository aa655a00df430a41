"""A guide: the clean latents that the model predicts are held near the size that latents of real images have."""

from pydantic import Field

from retort.base.grammar import Fraction
from retort.parts.guides import Guide


class HoldNorm(Guide):
    """Guidance inflates latents (Lin et al., WACV 2024, section 3.4). Here the clean latent that the conditional
    prediction implies is scaled towards a size, by a correction that CFG multiplies like the prediction itself."""

    size: float = Field(1.0, gt=0, description="This is the root mean square of a latent's numbers that is aimed at.")
    strength: Fraction = Field(0.5, description="This share of the way to that size is gone at each step.")

    def pull(self, course):
        def pulled(latents, predicted, timestep, sigma):
            signal = float(course.alphas_cumprod[timestep]) if sigma is None else 1 / (1 + sigma**2)
            noise = 1 - signal
            clean = (latents - noise**0.5 * predicted) / signal**0.5
            now = clean.square().flatten(1).mean(1).sqrt().clamp(min=1e-6)
            more = self.strength * (self.size / now - 1)  # (N,): each image by its own size
            return predicted - (signal / noise) ** 0.5 * more[:, None, None, None] * clean

        return pulled

    def in_words(self):
        return f"with clean latents held near the size {self.size:g} (strength {self.strength:g})"
