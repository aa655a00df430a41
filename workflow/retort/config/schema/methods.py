"""Methods: how a distilled set comes to be, as a composition of stages that are independent and optional."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import (
    TABLE_TAG,
    Count,
    Fraction,
    Name,
    Strict,
    exactly_one,
    kind_by_key,
    word_or_table,
)
from retort.config.schema.imported import Imported

# ---------------------------------------------------------------- sampling


class InversionStart(Strict):
    """Sampling starts from latents that match a class's statistics at the inversion's last step (D3HR)."""

    inversion: Name = Field(description="The statistics are those of this inversion.")
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


class Guide(Strict):
    """Each image is drawn towards the latent of a real representative while it is sampled (CoDA)."""

    discovery: Name = Field(description="The representatives are those of this discovery.")
    strength: float = Field(
        0.05, ge=0, description="This is gamma, which CFG multiplies; CoDA's demo has 0.05, and it uses up to 0.1."
    )
    until: Fraction = Field(0.9, description="This share of the steps is guided; the last step never is.")


_START = "noise, or {inversion: NAME, ...}"


class Generate(Strict):
    """Images are sampled from a diffusion model with classifier-free guidance."""

    model: Name = Field(description="Images are sampled from this diffusion model.")
    start: Annotated[
        Annotated[Literal["noise"], Tag("noise")] | Annotated[InversionStart, Tag(TABLE_TAG)],
        word_or_table("noise", _START),
    ] = Field("noise", description=f"Sampling starts from this: {_START}.")
    sampler: Literal["ddim", "ddpm", "dpm++"] = Field(
        "ddim",
        description="This sampler is used: ddim is deterministic, as D3HR; ddpm is ancestral, with learned variance "
        "where the model has it, as CaO2; dpm++ is second-order DPM-Solver++ with Karras sigmas, as CoDA.",
    )
    guidance: float = Field(
        4.0, ge=0, description="This is the classifier-free guidance (CFG); 1 is the plain conditional model."
    )
    steps: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Sampling has this many steps, by default 50, or 25 for dpm++; after an inversion it has that "
        "grid.",
    )
    guide: Guide | None = Field(None, description="This table draws samples towards real representatives.")
    pool: Count = Field(
        1, description="This many times the images per class are sampled, of which select chooses the images per class."
    )


# ---------------------------------------------------------------- choosing


class TeacherSelect(Strict):
    """The images that a teacher recognises are kept, by its confidence (CaO2's objective-guided sampling)."""

    teacher: Name = Field(description="This teacher classifies the images.")
    keep: Literal["confident", "uncertain"] = Field(
        "confident",
        description="Among the images that are classified correctly these are kept first; CaO2's paper keeps the "
        "uncertain ones at 50 images per class.",
    )
    teacher_input: Literal["normalised", "raw"] = Field(
        "normalised",
        description="The teacher sees images in this form: normalised as it was trained, or raw in [-1, 1], as in "
        "CaO2's code; raw is for pools only.",
    )


class CoverageSelect(Strict):
    """The images that cover the class are kept."""

    coverage: Literal["herding", "kmeans"] = Field(
        description="A class is covered in this way: herding follows its mean; kmeans takes the images nearest to "
        "centres."
    )
    encoder: Name | None = Field(
        None, description="The latents of this encoder are covered; give either this or teacher."
    )
    teacher: Name | None = Field(
        None, description="The features of this teacher are covered; give either this or encoder."
    )

    @model_validator(mode="after")
    def _one_space(self):
        exactly_one(self, "encoder", "teacher", "encoder (cover its latents) and teacher (cover its features)")
        return self


class DiscoverySelect(Strict):
    """The representatives that a discovery finds are kept, as real images (CoDA's set R)."""

    discovery: Name = Field(description="The representatives are those of this discovery.")


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
    """Each kept latent moves to where the model denoises it best (CaO2's condition-aware optimisation)."""

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


# ---------------------------------------------------------------- patches


class TeacherScore(Strict):
    """Patches are random square crops, scored by a teacher's cross-entropy; one crop per image at most (RDED)."""

    teacher: Name = Field(description="This teacher scores the crops.")
    images: Count = Field(300, description="Crops are taken from this many random images of each class.")
    crops: Count = Field(5, description="Each image has this many crops, of which the best one counts.")
    area: tuple[Fraction, Fraction] = Field(
        (0.08, 1.0), description="A crop takes a share of its image's area in this range."
    )

    @field_validator("area")
    @classmethod
    def _ordered(cls, area: tuple[float, float]) -> tuple[float, float]:
        if not 0 < area[0] <= area[1]:
            raise PydanticCustomError("area", "must be two areas with 0 < low <= high <= 1", {})
        return area


class TypicalityScore(Strict):
    """Patches are square windows, scored by their mean typicality; no two of an image touch (DDPS)."""

    typicality: Name = Field(description="The maps are those of this typicality.")
    window: float = Field(0.25, gt=0, le=1, description="The side of a window is this share of the image's side.")
    per_image: Count = Field(5, description="Each image gives this many windows, its best ones.")
    keep: Count = Field(1000, description="This many windows of a class are ranked, its best ones.")


class Clusters(Strict):
    """Patches are ranked for diversity: k-means clusters the class, then each cluster gives a patch in turn."""

    clusters: Count = Field(32, description="The patches of a class form this many clusters.")
    encoder: Name | None = Field(
        None, description="Patches are clustered in the latents of this encoder; give either this or teacher."
    )
    teacher: Name | None = Field(
        None, description="Patches are clustered in the features of this teacher; give either this or encoder."
    )

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
    """Images are put together from real patches, grid x grid to an image (RDED, DDPS)."""

    score: Annotated[
        Annotated[TeacherScore, Tag(TABLE_TAG)] | Annotated[TypicalityScore, Tag("<typicality>")],
        Discriminator(_kind_of_score, custom_error_type="word_or_table", custom_error_message=f"must be {_SCORE}"),
    ] = Field(description=f"Patches are cut and scored in this way: {_SCORE}.")
    rank: Annotated[
        Annotated[Literal["score"], Tag("score")] | Annotated[Clusters, Tag(TABLE_TAG)], word_or_table("score", _RANK)
    ] = Field("score", description=f"Patches are ranked in this way: {_RANK}.")
    grid: Annotated[int, Field(ge=1, le=16)] = Field(
        2, description="An image has this many patches along each of its sides."
    )
    fill: Literal["strided", "consecutive"] = Field(
        "strided",
        description="Patches fill the images in this way: strided gives every image good and less good ones, as RDED; "
        "consecutive gives the best to the first image, so that smaller sets are the first images of larger ones.",
    )
    rounding: Literal["truncate", "nearest"] = Field(
        "nearest",
        description="Grey levels are rounded to 8 bits in this way: nearest takes the nearest level, truncate cuts off "
        "fractions, as RDED's code does.",
    )


# ---------------------------------------------------------------- the composition


class Method(Imported):
    """A method makes a distilled set by sampling (generate), by choosing (select) or from patches (compose), or takes
    one that was made elsewhere (images)."""

    generate: Generate | None = Field(None, description="This table says how images are sampled from a model.")
    select: AnySelect | None = Field(
        None,
        description=f"Images are chosen in this way: {_SELECT}. With generate they are taken from the pool, without it "
        "from the real images. Random is the baseline, all is the upper bound.",
    )
    refine: Refine | None = Field(
        None, description="This table says how the latents of generated and kept images are optimised."
    )
    compose: Compose | None = Field(None, description="This table says how images are put together from real patches.")
    side: int | None = Field(
        None,
        ge=8,
        le=4096,
        description="The set's images are kept at this side in pixels, of which views crop the data set's resolution; "
        "by default it is that resolution. CaO2, CoDA and the papers' unguided DiT keep 256 and crop 224.",
    )
    fit: Literal["crop", "squash"] = Field(
        "crop",
        description="A real image that is selected, or an imported one, becomes square in this way: crop keeps the "
        "centre; squash resizes the whole image and loses its aspect ratio, as CoDA does to its representatives.",
    )
    paper: Name | None = Field(
        None,
        description="The published numbers of this method may stand beside this one's, where no setting contradicts "
        "the paper's. By default it is the method's own name.",
    )

    @model_validator(mode="after")
    def _fits_together(self):
        if reasons := misfits(self):
            raise PydanticCustomError("composition", "{reasons}", {"reasons": "; and ".join(reasons)})
        return self


def misfits(method: Method) -> list[str]:
    """Why the parts of a method do not go together; nothing when they do."""
    generate, select, refine, compose = method.generate, method.select, method.refine, method.compose
    if method.images:
        return _misfits_of_import(method)
    found = _unread_of_import(method)
    if not (generate or select or compose):
        found.append("give generate, select, compose or images; found none of them")
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


def _misfits_of_import(method: Method) -> list[str]:
    """The images are there already, so no other part of a method has anything to do."""
    parts = [part for part in ("generate", "select", "refine", "compose") if getattr(method, part)]
    if not parts:
        return []
    return [
        f"images takes a set that was made elsewhere as it is, so there is nothing to {' or '.join(parts)}; leave "
        f"{' and '.join(parts)} out, or images"
    ]


def _unread_of_import(method: Method) -> list[str]:
    given = [key for key in Imported.model_fields if getattr(method, key) is not None]
    if not given:
        return []
    verb = "says" if len(given) == 1 else "say"
    return [
        f"{', '.join(given)} {verb} something of a set that was made elsewhere, and there is none; give images, or "
        f"leave {'it' if len(given) == 1 else 'them'} out"
    ]


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
