"""Guides: what draws an image, or the images of a set, somewhere while they are sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from retort.parts.discoveries import other_latents
from retort.parts.part import Part

if TYPE_CHECKING:
    from torch import Tensor

    from retort.methods.guidance import Move, Pull, Shift

Form = Literal["conditional", "posterior", "clean"]
Acts = Literal["conditional", "posterior", "clean", "latents"]


@dataclass(frozen=True)
class Course:
    """What a guide knows of the images that are sampled, N of them in a batch.

    alphas_cumprod (T,): float64, the model's schedule. timesteps: at which the model is asked, descending.
    class_indices: the label of each image. targets (N, C, H, W): the latent of each image's representative, on the
    device of the latents; None for a guide that names no discovery. seeds: one of each image, for what a guide draws.
    means (N, C, H, W): the mean latent of the training images of each image's class; None for a guide that does not
    read it. For a guide of sets the batch is one set: images of one class, in their order.
    """

    alphas_cumprod: Tensor
    timesteps: Sequence[int]
    class_indices: Sequence[int]
    targets: Tensor | None
    seeds: Sequence[int] = ()
    means: Tensor | None = None

    def of(self, rows: Sequence[int]) -> Course:
        """The same of some of the images."""
        rows = list(rows)
        return replace(
            self,
            class_indices=[self.class_indices[row] for row in rows],
            targets=None if self.targets is None else self.targets[rows],
            seeds=[self.seeds[row] for row in rows] if self.seeds else (),
            means=None if self.means is None else self.means[rows],
        )


class Guide(Part):
    """A guide; a guide with a key for a discovery gets the latents of that discovery's representatives."""

    family = "guides"

    def reads_means(self) -> bool:
        """Whether it reads the mean latent of the training images of a class, which are then encoded."""
        return False

    def set_size(self, number: int) -> int | None:
        """Of how many of a class's `number` images a set is that sees itself; None where each image is alone."""
        return None

    def acts_on(self) -> Acts:
        """What it corrects: the conditional prediction of the noise, before CFG (`pull`), or, after CFG, the mean of
        each random step (posterior) or the clean latents that the prediction implies (clean), both by `shift`; or the
        latents between two steps (latents), by `move`.
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

    def move(self, course: Course) -> Move:
        """What is added to latents between two steps.

        It is called as move(latents, timestep, signal) with latents (N, C, H, W) after a step, the timestep at which
        the model is asked next, and abar of the latents, a number; it gives what is added to them, or None. It is not
        called before the first step nor after the last. What it gives for an image may not depend on the other images
        of the batch.
        """
        raise NotImplementedError

    def term(self, course: Course) -> Pull | Shift | Move:
        """Its pull, its shift or its move, by what it acts on."""
        return {"conditional": self.pull, "latents": self.move}.get(self.acts_on(), self.shift)(course)

    def clashes(self, method):
        sampler = method.generate.sampler
        if self.acts_on() == "latents" and not sampler.moves_latents:
            yield (
                f"generate.guide moves latents between steps, and the sampler {sampler.kind!r} does not say that it "
                "lets them be moved; use one of Retort's own samplers, or have it apply denoise.move and say so "
                "(moves_latents)"
            )
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
        key = next(key for _, key, part in method.parts() if part is self)
        yield from other_latents(f"{place}.{key}", self.name_in("discoveries"), method, config)


class SetGuide(Guide):
    """A guide of sets of images of one class: what it gives for an image may depend on the others of its set, and on
    nothing else. Its course, and the batch that its functions are given, are those of one set.
    """

    together: int | None = Field(
        None,
        ge=2,
        description="This many consecutive images of a class are a set, in which images see each other; by default all "
        "that are sampled of a class are one set, its pool included.",
    )

    def set_size(self, number: int) -> int:
        return min(self.together or number, number)

    def said_of_sets(self) -> str:
        """Of which sets, in words."""
        return f"sets of {self.together} images" if self.together else "all images of a class together"
