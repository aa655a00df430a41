"""Guides: what draws an image somewhere while it is sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from retort.parts.discoveries import other_latents
from retort.parts.part import Part

if TYPE_CHECKING:
    from torch import Tensor

    from retort.methods.guidance import Pull, Shift

Form = Literal["conditional", "posterior", "clean"]


@dataclass(frozen=True)
class Course:
    """What a guide knows of the images that are sampled, N of them in a batch.

    alphas_cumprod (T,): float64, the model's schedule. timesteps: at which the model is asked, descending.
    class_indices: the label of each image. targets (N, C, H, W): the latent of each image's representative, on the
    device of the latents; None for a guide that names no discovery. seeds: one of each image, for what a guide draws.
    """

    alphas_cumprod: Tensor
    timesteps: Sequence[int]
    class_indices: Sequence[int]
    targets: Tensor | None
    seeds: Sequence[int] = ()


class Guide(Part):
    """A guide; a guide with a key for a discovery gets the latents of that discovery's representatives."""

    family = "guides"

    def acts_on(self) -> Form:
        """What it corrects: the conditional prediction of the noise, before CFG (`pull`), or, after CFG, the mean of
        each random step (posterior) or the clean latents that the prediction implies (clean); both by `shift`.
        """
        return "conditional"

    def pull(self, course: Course) -> Pull:
        """What corrects the conditional prediction of the noise, before CFG multiplies it.

        It is called as pull(latents, conditional, timestep, sigma) with latents and the prediction (N, C, H, W), and
        gives the corrected prediction (N, C, H, W). What it gives for an image may not depend on the other images of
        the batch.
        """
        raise NotImplementedError

    def shift(self, course: Course) -> Shift:
        """What is added after CFG.

        It is called as shift(latents, clean, timestep, deviation) with latents and the clean latents that the guided
        prediction implies (N, C, H, W), and gives what is added to the mean of a step whose noise has that deviation,
        a number or (N, C, H, W), or, where that is None, to the clean latents; or None for a step that it leaves. What
        it gives for an image may not depend on the other images of the batch.
        """
        raise NotImplementedError

    def clashes(self, method):
        sampler = method.generate.sampler
        if self.acts_on() == "conditional" and method.generate.guidance == 0:
            yield (
                "generate.guide corrects the conditional prediction, which guidance 0 does not use; raise guidance or "
                "leave guide out"
            )
        if self.acts_on() == "posterior" and not sampler.steps_are_random():
            yield (
                "generate.guide moves the mean of a random step by its deviation, and the sampler "
                f"{sampler.kind!r} adds no noise to its steps; use sampler: ddpm, or ddim with eta above 0, or give "
                "the guide form: clean"
            )

    def misfits(self, place, method, config):
        yield from other_latents(f"{place}.guide", self.name_in("discoveries"), method, config)
