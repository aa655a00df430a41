"""The images of a class span a larger volume, and their mean is drawn to the class's (CGS, CVPR 2026)."""

from pydantic import Field

from retort.base.grammar import Fraction
from retort.parts.guides import SetGuide


class Volume(SetGuide):
    """Between steps the latents of a class's images are moved so that they span more, around the class's mean (CGS)."""

    examples = ({}, {"together": 2}, {"until": 0.5, "mean_strength": 0.0})

    volume_strength: float = Field(
        100.0,
        ge=0,
        description="After each step this times the gradient of log det(K + epsilon I) is added to the latents, where "
        "K has their cosines. CGS has weights of 30 to 300.",
    )
    mean_strength: float = Field(
        100.0,
        ge=0,
        description="After each step this times the gradient of the mean squared distance between the mean latent of "
        "the set and sqrt(abar) times that of the class's training images is subtracted. CGS has weights of 30 to 300.",
    )
    epsilon: float = Field(
        0.001, gt=0, description="This is added to the diagonal of K, so that equal images have a finite volume."
    )
    until: Fraction = Field(
        1.0, description="After each of this share of the steps latents are moved, but never after the last."
    )

    def reads_means(self):
        return self.mean_strength > 0

    def acts_on(self):
        return "latents"

    def move(self, course):
        from retort.methods import volume

        grid = list(course.timesteps)

        def move(latents, timestep, signal):
            if grid.index(timestep) > self.until * len(grid) or self.volume_strength == self.mean_strength == 0:
                return None
            moved = 0.0
            if self.volume_strength:
                moved = moved - self.volume_strength * volume.volume_gradient(latents, self.epsilon)
            if self.mean_strength:
                moved = moved - self.mean_strength * volume.mean_gradient(latents, course.means[0], signal)
            return moved.to(latents.dtype)

        return move

    def in_words(self) -> str:
        return (
            f"latents moved to a larger volume with strength {self.volume_strength:g} and to the class's mean with "
            f"{self.mean_strength:g} ({self.said_of_sets()})"
        )

    def in_full(self, record) -> str:
        return (
            f"The images of each class were sampled together: after each of the first {self.until:.0%} of the steps "
            f"their latents were moved to span a larger volume (strength {self.volume_strength:g}), and their mean to "
            f"that of the class's training images (strength {self.mean_strength:g}; {self.said_of_sets()})."
        )
