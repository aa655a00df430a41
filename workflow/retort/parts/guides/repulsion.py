"""Images of one class push each other apart while they are noisy (ASF, AAAI 2026)."""

from pydantic import Field

from retort.parts.guides import SetGuide


class Repulsion(SetGuide):
    """The images of a class are pushed apart by each other in the noisy steps of sampling (ASF)."""

    examples = ({}, {"together": 2}, {"stein": True})

    strength: float = Field(
        0.3, ge=0, description="The push in the prediction of the noise is multiplied by this, and by sigma."
    )
    least_sigma: float = Field(
        1.0,
        ge=0,
        description="Steps are guided while their noise level sigma = sqrt((1 - abar) / abar) is at least this; below "
        "about 1 the shape of an image is settled.",
    )
    stein: bool = Field(
        False,
        description="The whole of Stein variational gradient descent is added, in which near images follow each "
        "other's predictions as well. ASF's code has it, and its scripts do not use it.",
    )

    def acts_on(self):
        return "clean"

    def shift(self, course):
        from retort.methods import repulsion

        def shift(latents, clean, timestep, deviation):
            signal = float(course.alphas_cumprod[timestep])
            sigma = ((1 - signal) / signal) ** 0.5
            if self.strength == 0 or sigma < self.least_sigma or len(latents) < 2:
                return None
            if self.stein:
                eps = (latents - signal**0.5 * clean) / (1 - signal) ** 0.5
                pushed = repulsion.stein(latents, eps, sigma)
            else:
                pushed = sigma * repulsion.repulsion(latents)
            return (self.strength * sigma * pushed).to(clean.dtype)  # of the clean latents: sigma times that of eps

        return shift

    def in_words(self) -> str:
        return f"images of a class pushed apart with strength {self.strength:g} ({self.said_of_sets()})"

    def in_full(self, record) -> str:
        return (
            f"The images of each class were sampled together and pushed apart while sigma was at least "
            f"{self.least_sigma:g} (strength {self.strength:g}; {self.said_of_sets()}); an image alone is not pushed."
        )
