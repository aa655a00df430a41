"""Guides: what draws an image somewhere while it is sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retort.parts.part import Part

if TYPE_CHECKING:
    from torch import Tensor

    from retort.methods.guidance import Pull


@dataclass(frozen=True)
class Course:
    """What a guide knows of the images that are sampled, N of them in a batch.

    alphas_cumprod (T,): float64, the model's schedule. timesteps: at which the model is asked, descending.
    class_indices: the label of each image. targets (N, C, H, W): the latent of each image's representative, on the
    device of the latents; None for a guide that names no discovery.
    """

    alphas_cumprod: Tensor
    timesteps: Sequence[int]
    class_indices: Sequence[int]
    targets: Tensor | None


class Guide(Part):
    """A guide; a guide with a key for a discovery gets the latents of that discovery's representatives."""

    family = "guides"

    def pull(self, course: Course) -> Pull:
        """What corrects the conditional prediction of the noise, before CFG multiplies it.

        It is called as pull(latents, conditional, timestep, sigma) with latents and the prediction (N, C, H, W), and
        gives the corrected prediction (N, C, H, W). What it gives for an image may not depend on the other images of
        the batch.
        """
        raise NotImplementedError

    def clashes(self, method):
        if method.generate.guidance == 0:
            yield (
                "generate.guide corrects the conditional prediction, which guidance 0 does not use; raise guidance or "
                "leave guide out"
            )

    def misfits(self, place, method, config):
        name, model = self.name_in("discoveries"), method.generate.model
        if name not in config.discoveries or model not in config.backbones():
            return
        found, wanted = config.discoveries[name].encoder, config.models[model].encoder
        if found != wanted:
            yield (
                f"{place}.guide.discovery: {name!r} finds representatives among the latents of {found!r}, but "
                f"{model!r} works on those of {wanted!r}; name a discovery with that encoder"
            )
