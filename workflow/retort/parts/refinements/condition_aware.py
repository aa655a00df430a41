"""Each kept latent moves to where the model denoises it best (CaO2's condition-aware optimisation, ICCV 2025)."""

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import Count
from retort.base.words import counted
from retort.parts.refinements import Refinement


class ConditionAware(Refinement):
    """Each kept latent moves to where the model denoises it best (CaO2's condition-aware optimisation)."""

    assumed = True
    examples = tuple({"iterations": 4, "condition": name} for name in ("class", "unconditional"))

    iterations: Count = Field(100, description="Each latent is optimised for this many iterations.")
    lr: float = Field(6e-4, gt=0, description="This is Adam's learning rate.")
    steps: int = Field(
        50, ge=2, le=1000, description="Noise levels are drawn from a respaced schedule of this many steps."
    )
    share: float = Field(
        0.25,
        gt=0,
        le=1,
        description="Noise levels are drawn from this share of the schedule, its least noisy part; CaO2 has 0.25, and "
        "0.125 in one path of ImageNet-100.",
    )
    peak_weight: float = Field(
        10.0, ge=0, description="The largest error has this weight in the loss, beside the mean squared error."
    )
    condition: Literal["unconditional", "class"] = Field(
        "unconditional",
        description="The model predicts under this condition: unconditional is the null condition, as CaO2 has it for "
        "ImageNet-1K and ImageWoof; class is the image's own class, as for ImageNette.",
    )
    timestep: Literal["index", "mapped"] = Field(
        "index",
        description="The model is given this as its timestep: index is the respaced index itself, as in CaO2's code; "
        "mapped is the timestep that the noise belongs to.",
    )

    @model_validator(mode="after")
    def _leaves_a_step(self):
        if int(self.steps * self.share) < 2:
            raise PydanticCustomError(
                "share", "a share of {share} of {steps} steps leaves no step to draw from; raise either", dict(self)
            )
        return self

    def passes(self) -> int:
        return self.iterations

    def refined(self, model, latents, entries, draws, progress):
        import numpy as np
        import torch

        from retort.base.seeds import numpy_rng, torch_rng
        from retort.methods.ancestral import respace
        from retort.methods.refinement import draw_indices, refine

        condition = model.condition(entries) if self.condition == "class" else model.null(len(entries))
        noise = torch.stack([torch.randn(model.latent_shape, generator=torch_rng(*d, "noise")) for d in draws])
        indices = [draw_indices(self.steps, self.share, self.iterations, numpy_rng(*d, "steps")) for d in draws]
        return refine(
            latents,
            noise.to(model.device),
            lambda x, t: model.eps(x, t, condition),
            respace(model.alphas_cumprod, self.steps),
            torch.from_numpy(np.stack(indices)),
            lr=self.lr,
            peak_weight=self.peak_weight,
            timestep=self.timestep,
            progress=progress,
        )

    def in_words(self) -> str:
        given = {"unconditional": "without the class", "class": "with the image's class"}[self.condition]
        moves = f"moves each latent, in {counted(self.iterations, 'step')}, to where the model"
        return f"{moves}, {given}, denoises it best"

    def in_full(self, record) -> str:
        return (
            f"Refined: the latents moved for {counted(self.iterations, 'iteration')} (Adam, rate {self.lr:g}) to where "
            f"the model denoises them best, {self.condition} condition."
        )
