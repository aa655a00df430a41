"""Methods: how a distilled set comes to be, as a composition of stages that are independent and optional."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.config.schema.grammar import (
    TABLE_TAG,
    Count,
    Fraction,
    Name,
    Strict,
    exactly_one,
    kind_by_key,
    word_or_table,
)

# ---------------------------------------------------------------- sampling


class InversionStart(Strict):
    """Start from latents drawn to match a class's statistics at the inversion's last step (D3HR)."""

    inversion: Name
    search: Literal["groups", "closed-form"] = Field(
        "groups",
        description="groups: best of many random groups, as the paper; closed-form: one group made to match (ours).",
    )
    groups: Count = Field(10_000, description="Random groups to score (the paper: 1e5 to 1e6).")
    skew_weight: float = Field(0.1, ge=0, description="Weight of the skew term: 0.1 in D3HR's code, 0.5 in its paper.")
    first_step: Literal["reference", "matched"] = Field(
        "reference",
        description="reference: begin one step noisier than the latents are, as D3HR's code; matched: at their step.",
    )


class Guide(Strict):
    """Draw each image towards the latent of a real representative while it is sampled (CoDA)."""

    discovery: Name
    strength: float = Field(0.05, ge=0, description="gamma: 0.05 in CoDA's demo, up to 0.1; CFG multiplies it.")
    until: Fraction = Field(0.9, description="Share of the steps that are guided; the last step never is.")


_START = "noise, or {inversion: NAME, ...}"


class Generate(Strict):
    """Images sampled from a diffusion model with classifier-free guidance."""

    model: Name
    start: Annotated[
        Annotated[Literal["noise"], Tag("noise")] | Annotated[InversionStart, Tag(TABLE_TAG)],
        word_or_table("noise", _START),
    ] = Field("noise", description=_START)
    sampler: Literal["ddim", "ddpm", "dpm++"] = Field(
        "ddim",
        description="ddim: deterministic, as D3HR; ddpm: ancestral, with learned variance where the model has it, as "
        "CaO2; dpm++: second-order DPM-Solver++ with Karras sigmas, as CoDA.",
    )
    guidance: float = Field(4.0, ge=0, description="Classifier-free guidance; 1 is the plain conditional model.")
    steps: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Sampling steps (default 50; 25 for dpm++); with an inversion its own grid is used.",
    )
    guide: Guide | None = Field(None, description="Guidance towards real representatives.")
    pool: Count = Field(1, description="Sample this many times the images per class, for select to choose from.")


# ---------------------------------------------------------------- choosing


class TeacherSelect(Strict):
    """Keep what a teacher recognises, by its confidence (CaO2's objective-guided sampling)."""

    teacher: Name
    keep: Literal["confident", "uncertain"] = Field(
        "confident", description="Which correct ones come first; CaO2 keeps the uncertain ones at 50 images per class."
    )
    teacher_input: Literal["normalised", "raw"] = Field(
        "normalised",
        description="raw: images in [-1, 1] without ImageNet's normalisation, as CaO2's code does; pools only.",
    )


class CoverageSelect(Strict):
    """Keep what covers the class: herding, or the images nearest to k-means centres."""

    coverage: Literal["herding", "kmeans"]
    encoder: Name | None = Field(None, description="Cover its latents;")
    teacher: Name | None = Field(None, description="or this teacher's features.")

    @model_validator(mode="after")
    def _one_space(self):
        exactly_one(self, "encoder", "teacher", "encoder (cover its latents) and teacher (cover its features)")
        return self


class DiscoverySelect(Strict):
    """Keep the representatives that a discovery finds: CoDA's real images R as a method of their own."""

    discovery: Name


_SELECT = (
    "random, all, {teacher: NAME, keep: ...}, {coverage: herding | kmeans, encoder | teacher: NAME} or "
    "{discovery: NAME}"
)


def _kind_of_select(found: Any) -> str | None:
    if isinstance(found, BaseModel):
        return {CoverageSelect: "<coverage>", DiscoverySelect: "<discovery>"}.get(type(found), TABLE_TAG)
    if isinstance(found, dict):
        return kind_by_key(found, {"coverage": "<coverage>", "discovery": "<discovery>", "teacher": TABLE_TAG})
    return found if found in ("random", "all") else None


AnySelect = Annotated[
    Annotated[Literal["random"], Tag("random")]
    | Annotated[Literal["all"], Tag("all")]
    | Annotated[TeacherSelect, Tag(TABLE_TAG)]
    | Annotated[CoverageSelect, Tag("<coverage>")]
    | Annotated[DiscoverySelect, Tag("<discovery>")],
    Discriminator(_kind_of_select, custom_error_type="word_or_table", custom_error_message=f"must be {_SELECT}"),
]


class Refine(Strict):
    """Move each kept latent to where the model denoises it best (CaO2's condition-aware optimisation)."""

    iterations: Count = 100
    lr: float = Field(6e-4, gt=0, description="Adam's rate.")
    steps: int = Field(50, ge=2, le=1000, description="Respaced schedule that noise levels are drawn from,")
    share: float = Field(
        0.25, gt=0, le=1, description="up to this share of it; 0.25 in CaO2, 0.125 in one path of ImageNet-100."
    )
    peak_weight: float = Field(10.0, ge=0, description="Weight of the largest error against the mean squared one.")
    condition: Literal["unconditional", "class"] = Field(
        "unconditional",
        description="unconditional: the null condition, as CaO2 for ImageNet-1K and ImageWoof; class: the image's own "
        "class, as for ImageNette.",
    )
    timestep: Literal["index", "mapped"] = Field(
        "index",
        description="index: tell the model the respaced index itself, as CaO2's code; mapped: the timestep that the "
        "noise belongs to.",
    )

    @model_validator(mode="after")
    def _leaves_a_step(self):
        if int(self.steps * self.share) < 2:
            raise PydanticCustomError(
                "share", "a share of {share} of {steps} steps leaves no step to draw from; raise either", dict(self)
            )
        return self


# ---------------------------------------------------------------- patches


class TeacherScore(Strict):
    """Patches are random square crops, scored by a teacher's cross-entropy; one crop per image at most (RDED)."""

    teacher: Name
    images: Count = Field(300, description="Random images of each class that crops are taken from.")
    crops: Count = Field(5, description="Crops per image, of which the best one counts.")
    area: tuple[Fraction, Fraction] = Field((0.08, 1.0), description="Range of a crop's share of its image's area.")

    @field_validator("area")
    @classmethod
    def _ordered(cls, area: tuple[float, float]) -> tuple[float, float]:
        if not 0 < area[0] <= area[1]:
            raise PydanticCustomError("area", "must be two areas with 0 < low <= high <= 1", {})
        return area


class TypicalityScore(Strict):
    """Patches are square windows, scored by their mean typicality; no two of an image touch (DDPS)."""

    typicality: Name
    window: float = Field(0.25, gt=0, le=1, description="Side of a window as a share of the image's side.")
    per_image: Count = Field(5, description="Windows per image, best first.")
    keep: Count = Field(1000, description="Best windows of a class that go on to the ranking.")


class Clusters(Strict):
    """Rank patches for diversity: k-means within the class, then one patch of each cluster in turn."""

    clusters: Count = Field(32, description="Clusters of a class's patches.")
    encoder: Name | None = Field(None, description="Cluster its latents of the patches;")
    teacher: Name | None = Field(None, description="or this teacher's features of them.")

    @model_validator(mode="after")
    def _one_space(self):
        exactly_one(self, "encoder", "teacher", "encoder (its latents) and teacher (its features)")
        return self


_SCORE = "{teacher: NAME, ...} or {typicality: NAME, ...}"
_RANK = "score, or {clusters: K, encoder | teacher: NAME}"


def _kind_of_score(found: Any) -> str | None:
    if isinstance(found, BaseModel):
        return "<typicality>" if isinstance(found, TypicalityScore) else TABLE_TAG
    return kind_by_key(found, {"typicality": "<typicality>", "teacher": TABLE_TAG}) if isinstance(found, dict) else None


class Compose(Strict):
    """Images put together from real patches, grid x grid to an image (RDED, DDPS)."""

    score: Annotated[
        Annotated[TeacherScore, Tag(TABLE_TAG)] | Annotated[TypicalityScore, Tag("<typicality>")],
        Discriminator(_kind_of_score, custom_error_type="word_or_table", custom_error_message=f"must be {_SCORE}"),
    ] = Field(description=_SCORE)
    rank: Annotated[
        Annotated[Literal["score"], Tag("score")] | Annotated[Clusters, Tag(TABLE_TAG)], word_or_table("score", _RANK)
    ] = Field("score", description=_RANK)
    grid: Annotated[int, Field(ge=1, le=16)] = Field(2, description="Patches along each side of an image.")
    fill: Literal["strided", "consecutive"] = Field(
        "strided",
        description="strided: every image gets good and less good patches, as RDED; consecutive: the best patches to "
        "the first image, so that smaller sets are the first images of larger ones.",
    )
    rounding: Literal["truncate", "nearest"] = Field(
        "nearest", description="To 8 bits: nearest grey level, or truncate fractions, as RDED's code does."
    )


# ---------------------------------------------------------------- the composition


class Method(Strict):
    """How a distilled set comes to be: sampled (generate), picked (select), or composed of patches (compose)."""

    generate: Generate | None = None
    select: AnySelect | None = Field(
        None,
        description=f"{_SELECT}. With generate it chooses from the pool, without it from the real images; random and "
        "random is the baseline, all the upper bound.",
    )
    refine: Refine | None = Field(None, description="Optimise the latents of what was generated and kept.")
    compose: Compose | None = None
    side: int | None = Field(
        None,
        ge=8,
        le=4096,
        description="Side in pixels at which the set's images are kept, from which views crop the data set's "
        "resolution; default: that resolution. CaO2, CoDA and the papers' unguided DiT keep 256 and crop 224.",
    )
    fit: Literal["crop", "squash"] = Field(
        "crop",
        description="How a real image that is selected becomes square: crop keeps the centre, squash resizes the whole "
        "image and loses its aspect ratio, as CoDA does to its representatives.",
    )
    paper: Name | None = Field(
        None,
        description="The method whose published numbers may stand beside this one's, where no setting contradicts that "
        "paper's; default: its own name.",
    )

    @model_validator(mode="after")
    def _fits_together(self):
        if reasons := misfits(self):
            raise PydanticCustomError("composition", "{reasons}", {"reasons": "; and ".join(reasons)})
        return self


def misfits(method: Method) -> list[str]:
    """Why the parts of a method do not go together; nothing when they do."""
    generate, select, refine, compose = method.generate, method.select, method.refine, method.compose
    found = []
    if not (generate or select or compose):
        found.append("give generate, select or compose; found none of them")
    if compose and (generate or select or refine):
        found.append(
            "compose cuts patches from real images, so there is no sample to generate or refine and no pool to select "
            "from; leave the others out"
        )
    elif refine and not generate:
        found.append("refine moves the latents of generated images, but nothing is generated; add generate")
    elif generate and isinstance(select, str | DiscoverySelect):
        what = select if isinstance(select, str) else "a discovery"
        found.append(
            f"with generate, select chooses from the pool, and {what} chooses among real images; give a teacher or a "
            "coverage, or leave generate out"
        )
    elif generate and select and generate.pool == 1:
        found.append("select has nothing to choose from: generate.pool is 1; set a pool of 2 or more")
    elif generate and generate.pool > 1 and not select:
        found.append(f"generate.pool is {generate.pool}, but nothing chooses from the pool; add select")
    if not generate and isinstance(select, TeacherSelect) and select.teacher_input == "raw":
        found.append(
            "select.teacher_input: raw is for a pool; the teacher sees real images normalised, as it was trained; "
            "leave it out, or add generate"
        )
    return found + _misfits_of_images(method) + (_sampling_misfits(generate) if generate else [])


def _misfits_of_images(method: Method) -> list[str]:
    found = []
    if method.side and method.select == "all":
        found.append(
            "side: select: all points at the training images as they are decoded, at the data set's resolution; leave "
            "side out"
        )
    if method.fit == "squash" and (method.generate or method.compose or method.select == "all"):
        found.append(
            "fit: squash is how a selection of real images makes them square, and nothing is selected here but by what "
            "is generated, composed or decoded; leave fit out"
        )
    return found


def _sampling_misfits(generate: Generate) -> list[str]:
    found = []
    if generate.start != "noise" and generate.sampler != "ddim":
        found.append(
            f"generate.start: inverted latents lie on the DDIM grid, which the sampler {generate.sampler!r} does not "
            "visit; use sampler: ddim, or start: noise"
        )
    if generate.guide and generate.guidance == 0:
        found.append(
            "generate.guide corrects the conditional prediction, which guidance 0 does not use; raise guidance or "
            "leave guide out"
        )
    return found
