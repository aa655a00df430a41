"""Sampling starts from latents that match a class's statistics at the last step of an inversion (D3HR, ICML 2025)."""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Count
from retort.base.words import counted
from retort.parts.part import InversionName
from retort.parts.starts import Start


class InversionStart(Start):
    """Sampling starts from latents that match a class's statistics at the inversion's last step (D3HR)."""

    told_by = "inversion"
    stage = "choose_starts"
    examples = ({}, {"search": "closed-form"})

    inversion: InversionName = Field(description="The statistics are those of this inversion.")
    search: Literal["groups", "closed-form"] = Field(
        "groups",
        description="The latents are found in this way: groups takes the best of many random groups, as the paper "
        "does; closed-form makes one group that matches, which is Retort's own.",
    )
    groups: Count = Field(10_000, description="This many random groups are scored; the paper has 100,000 to 1,000,000.")
    skew_weight: float = Field(
        0.1, ge=0, description="The skew term of the score has this weight; D3HR's code has 0.1, its paper 0.5."
    )
    first_step: Literal["reference", "matched"] = Field(
        "reference",
        description="Sampling begins at this step: reference is one step noisier than the latents are, as in D3HR's "
        "code; matched is their own step.",
    )

    def latent(self, noise, drawn):
        return drawn

    def unread(self) -> set[str]:
        return {"groups"} if self.search == "closed-form" else set()

    def drawn(self) -> "InversionStart":
        unread = self.unread() | {"first_step"}
        return self.model_copy(update={key: type(self).model_fields[key].default for key in unread})

    def first(self, stop: int) -> int:
        return stop + (self.first_step == "reference")

    def clashes(self, method):
        sampler = method.generate.sampler
        if not sampler.on_ddim_grid:
            yield (
                f"generate.start: inverted latents lie on the DDIM grid, which the sampler {sampler.kind!r} does not "
                "visit; use sampler: ddim, or start: noise"
            )

    def misfits(self, place, method, config):
        inversion, generate = config.inversions.get(self.inversion), method.generate
        if inversion is None:
            return
        if inversion.model != generate.model and {inversion.model, generate.model} <= set(config.backbones()):
            yield (
                f"{place}: starts from {self.inversion!r}, an inversion by model {inversion.model!r}, but samples with "
                f"{generate.model!r}; latents of one model mean nothing to another, so name the same model"
            )
        if generate.steps not in (None, inversion.steps):
            yield (
                f"{place}.steps: found {generate.steps}, but the inversion {self.inversion!r} fixes the grid at "
                f"{inversion.steps} steps; leave steps out"
            )
        if self.first(inversion.stop) == inversion.steps:
            yield (
                f"{place}.start.first_step: 'reference' begins one step after stop, but the inversion "
                f"{self.inversion!r} stops at {inversion.stop}, the last of {inversion.steps}; lower its stop, "
                "or give first_step: matched"
            )

    def in_words(self) -> str:
        return f"starting from {self._made()} the class's inverted statistics"

    def begun(self) -> str:
        return f"latents drawn to match the inversion {self.inversion}"

    def in_full(self, record) -> str:
        inversion = record["inversions"][self.inversion]
        return (
            f"The start of each class: {self._made()} the statistics of its training images at step "
            f"{inversion['stop']} of {inversion['steps']} of DDIM inversion."
        )

    def _made(self) -> str:
        if self.search == "closed-form":
            return "one group that is made to match"
        return f"the best of {counted(self.groups, 'random group')} by"
