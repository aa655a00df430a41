"""The typed config: what each key means, what it may be, and what it is when left out.

The field descriptions here are the reference; `config.yaml` teaches by example, and the JSON schema that
editors use is generated from these classes (`make schema`).
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from retort.config.architectures import ARCHITECTURES
from retort.config.hints import did_you_mean

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """A table of the config: unknown keys are refused with the nearest known one named."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, data: Any) -> Any:
        unknown = sorted(set(map(str, data)) - set(cls.model_fields)) if isinstance(data, dict) else []
        if unknown:
            allowed = list(cls.model_fields)
            hints = "; ".join(f"unknown key {key!r}{did_you_mean(key, allowed)}" for key in unknown)
            message = f"{hints} (allowed: {', '.join(allowed)})"
            raise PydanticCustomError("unknown_key", "{hints}", {"hints": message, "keys": unknown, "allowed": allowed})
        return data


TABLE_TAG = "<table>"  # in the place of an error, which is not shown to users


def _word_or_table(word: str, description: str) -> Discriminator:
    """Tells the one word that stands for a default from a table that says more; `description` names both."""
    return Discriminator(
        lambda found: word if found == word else TABLE_TAG if isinstance(found, dict | BaseModel) else None,
        custom_error_type="word_or_table",
        custom_error_message=f"must be {description}",
    )


def _exactly_one(table: BaseModel, one: str, other: str, described: str) -> None:
    """Raises unless exactly one of two optional keys is given."""
    given = [key for key in (one, other) if getattr(table, key) is not None]
    if len(given) != 1:
        found = "both" if given else "neither"
        raise PydanticCustomError(
            "exactly_one", "give exactly one of {described}; found {found}", {"described": described, "found": found}
        )


# ---------------------------------------------------------------- data


class Dataset(Strict):
    """What every data set has, wherever its images come from."""

    name: Name = Field(description="Folder under results/ that holds everything made from this data set.")
    resolution: int = Field(ge=8, le=4096, description="Side in pixels of distilled and evaluation images.")
    classes: list[str] | None = Field(
        None, description="Class ids in label order, to fix the order or take a subset; default: all, sorted."
    )
    shard_classes: Count = Field(10, description="Classes per shard: one job handles this many classes at a time.")

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, classes: list[str] | None) -> list[str] | None:
        if classes is not None and len(set(classes)) < len(classes):
            repeated = sorted({c for c in classes if classes.count(c) > 1})
            raise PydanticCustomError("repeated", "classes named twice: {names}", {"names": ", ".join(repeated)})
        if classes is not None and len(classes) < 2:
            raise PydanticCustomError("too_few", "at least two classes are needed to train a student", {})
        return classes


class DigitsDataset(Dataset):
    """scikit-learn's handwritten digits: 1,797 real scans, split 1,397 / 400 by class, as RGB."""

    kind: Literal["digits"]
    name: Name = "digits"
    resolution: int = Field(32, ge=8, le=4096, description="Side in pixels; the 8x8 scans are enlarged (bicubic).")


class FolderDataset(Dataset):
    """One folder per class, either under train/ and val/, or directly under path with a seeded split."""

    kind: Literal["folder"]
    path: str = Field(description="The folder; relative paths start where snakemake is started.")
    class_names: dict[str, str] = Field({}, description="Readable name per class id; default: the id itself.")
    val_fraction: float = Field(
        0.2, gt=0, lt=1, description="About this share of each class is held out when there are no train/ and val/."
    )
    on_bad_image: Literal["stop", "skip"] = Field(
        "stop", description="stop: list unreadable images and stop; skip: leave them out and list them."
    )


AnyDataset = Annotated[DigitsDataset | FolderDataset, Field(discriminator="kind")]


# ---------------------------------------------------------------- models


class VaeTraining(Strict):
    """A small AutoencoderKL trained here on the training images."""

    channels: list[Count] = Field(
        [16, 32, 32], min_length=1, description="Width per block; each block but the last halves."
    )
    layers_per_block: Count = 1
    norm_groups: Count = Field(8, description="Groups of the group norm; must divide every width.")
    latent_channels: Count = 4
    steps: Count = 300
    batch: Count = 64
    lr: float = Field(2e-3, gt=0)
    kl_weight: float = Field(1e-6, ge=0, description="Weight of the KL term against the reconstruction error.")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Autocast precision while training.")

    @model_validator(mode="after")
    def _groups_divide(self):
        if any(width % self.norm_groups for width in self.channels):
            raise PydanticCustomError(
                "groups",
                "norm_groups {groups} must divide every one of channels {channels}",
                {"groups": self.norm_groups, "channels": str(self.channels)},
            )
        return self


class DitTraining(Strict):
    """A small class-conditional DiT trained here on the latents."""

    layers: Count = 4
    heads: Count = 4
    head_dim: Count = 32
    patch: Count = 2
    steps: Count = 2000
    batch: Count = 64
    lr: float = Field(1e-3, gt=0)
    warmup: int = Field(100, ge=0, description="Steps of linear warm-up before the cosine decay.")
    ema: float = Field(0.998, ge=0, lt=1, description="Decay of the averaged weights that are kept.")
    drop_label: Fraction = Field(0.1, description="Share of training examples that get the null class, for CFG.")


class _FromSource(Strict):
    source: str | None = Field(None, description="A diffusers directory, or a hub id, instead of train.")
    revision: str | None = Field(None, description="Revision of the hub id; pin it, so that results stay comparable.")
    dtype: Literal["float64", "float32", "float16", "bfloat16"] = Field(
        "float32", description="Precision in which the weights run (not of training)."
    )

    @model_validator(mode="after")
    def _trained_or_loaded(self):
        _exactly_one(self, "train", "source", "train (made here) and source (a directory or hub id)")
        return self


class VaeModel(_FromSource):
    """An image encoder and decoder: AutoencoderKL."""

    kind: Literal["vae"]
    train: VaeTraining | None = None
    resolution: int | None = Field(None, ge=8, description="Image side it works at; default: the data set's.")
    posterior: Literal["sample", "mean"] = Field(
        "sample", description="sample: a seeded draw per image, as D3HR does; mean: the posterior mean, as CoDA does."
    )


class DitModel(_FromSource):
    """A class-conditional diffusion transformer working on the latents of an encoder."""

    kind: Literal["dit"]
    train: DitTraining | None = None
    encoder: Name = Field(description="The vae model whose latents it works on.")
    timestep_embedding: Literal["diffusers", "original"] = Field(
        "diffusers",
        description="original: the original DiT code's frequencies (shift 0), which CaO2 runs.",
    )


AnyModel = Annotated[VaeModel | DitModel, Field(discriminator="kind")]


class ClassifierTraining(Strict):
    """Training of a teacher on the real training images."""

    steps: Count = 500
    batch: Count = 64
    lr: float = Field(3e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    rotate: float = Field(10.0, ge=0, le=180, description="Random rotation, up to this many degrees either way.")
    scale: Fraction = Field(0.1, description="Random scaling, up to this share either way.")
    shift: Fraction = Field(0.1, description="Random shift, up to this share of the side either way.")
    flip: bool = Field(False, description="Random left-right flips; wrong for digits and text.")


class Teacher(Strict):
    """A classifier of the real classes that labels distilled images and judges generated ones."""

    arch: Name
    train: ClassifierTraining
    expect: Fraction | None = Field(
        None, description="Validation top-1 it should reach (a fraction); the run stops when it stays 0.05 below."
    )


# ---------------------------------------------------------------- stages shared by methods


class Inversion(Strict):
    """DDIM inversion of every training latent, and its class statistics (D3HR)."""

    model: Name
    steps: int = Field(50, ge=2, le=1000, description="DDIM grid over the model's whole schedule.")
    stop: Count = Field(30, description="Step at which the statistics are taken; nothing after it is computed.")
    guidance: float = Field(4.0, ge=0, description="Classifier-free guidance during inversion; D3HR uses 4.")

    @model_validator(mode="after")
    def _stops_inside(self):
        if self.stop >= self.steps:
            raise PydanticCustomError(
                "stop", "stop {stop} must be less than steps {steps}", {"stop": self.stop, "steps": self.steps}
            )
        return self


# ---------------------------------------------------------------- methods


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


_START = "noise, or {inversion: NAME, ...}"


class Generate(Strict):
    """Images sampled from a diffusion model by DDIM with classifier-free guidance."""

    model: Name
    start: Annotated[
        Annotated[Literal["noise"], Tag("noise")] | Annotated[InversionStart, Tag(TABLE_TAG)],
        _word_or_table("noise", _START),
    ] = Field("noise", description=_START)
    guidance: float = Field(4.0, ge=0, description="Classifier-free guidance; 1 is the plain conditional model.")
    steps: int | None = Field(
        None, ge=1, le=1000, description="DDIM steps (default 50); with an inversion its own grid is used."
    )


class Method(Strict):
    """How a distilled set comes to be: sampled (generate) or picked from the real images (select)."""

    generate: Generate | None = None
    select: Literal["random", "all"] | None = Field(
        None, description="random: a seeded draw of real images; all: the whole training set, for the upper line."
    )

    @model_validator(mode="after")
    def _one_way(self):
        _exactly_one(self, "generate", "select", "generate and select")
        return self


# ---------------------------------------------------------------- evaluation


class TeacherLabels(Strict):
    """Soft labels from a teacher."""

    teacher: Name
    kind: Literal["region", "static", "online"] = Field(
        "region",
        description="region: logits of every augmented view, stored once and shared by all students; "
        "static: one label an image; online: teacher in the training loop, same views as region, nothing stored.",
    )


class Views(Strict):
    """What the student sees: how long, in what batches, how augmented."""

    batch: Count = Field(64, description="Views per step; never more than the distilled set has images.")
    steps: Count | None = Field(None, description="Length in optimiser steps; give either this or epochs.")
    epochs: Count | None = Field(None, description="Length in passes over the distilled set.")
    crop: tuple[Fraction, Fraction] = Field((0.5, 1.0), description="Area range of the random resized crop.")
    flip: bool = Field(False, description="Random left-right flips; wrong for digits and text.")
    cutmix: float = Field(1.0, ge=0, description="alpha of CutMix's Beta distribution; 0 turns CutMix off.")

    @field_validator("crop")
    @classmethod
    def _ordered(cls, crop: tuple[float, float]) -> tuple[float, float]:
        if not 0 < crop[0] <= crop[1]:
            raise PydanticCustomError("crop", "must be two areas with 0 < low <= high <= 1", {})
        return crop

    @model_validator(mode="after")
    def _one_length(self):
        _exactly_one(self, "steps", "epochs", "steps and epochs")
        return self


class Optimizer(Strict):
    """How the student's weights move."""

    kind: Literal["sgd", "adamw"]
    lr: float = Field(gt=0)
    momentum: Fraction = Field(0.9, description="sgd only.")
    weight_decay: float = Field(0.0, ge=0, description="adamw leaves 1-d parameters undecayed, as RDED does.")
    schedule: Literal["half-cosine", "milestones", "constant"] = Field(
        description="half-cosine: to half the rate, as RDED; milestones: x0.2 at 2/3 and 5/6, as Minimax/IDC."
    )


_LABELS = "hard (the class), or {teacher: NAME, kind: region | static | online}"


class Protocol(Strict):
    """A complete recipe for measuring a distilled set."""

    labels: Annotated[
        Annotated[Literal["hard"], Tag("hard")] | Annotated[TeacherLabels, Tag(TABLE_TAG)],
        _word_or_table("hard", _LABELS),
    ] = Field(description=_LABELS)
    views: Views
    optimizer: Optimizer
    temperature: float = Field(20.0, gt=0, description="Soft labels only: KL at this temperature, without T squared.")
    evaluations: Count = Field(
        10, description="How often the student is tested, evenly spread and after the last step."
    )


class Run(Strict):
    """A block of the run table: every combination of what it lists."""

    methods: list[Name] = Field(min_length=1)
    ipc: list[Count] = Field(min_length=1, description="Images per class.")
    protocols: list[Name] = Field(min_length=1)
    students: list[Name] = Field(min_length=1, description=f"Architectures: {', '.join(ARCHITECTURES)}.")
    seeds: Count = Field(3, description="Students per combination; their mean and spread go into the table.")


class Config(Strict):
    """The whole experiment."""

    seed: int = Field(0, ge=0, description="The global seed; every random draw derives from it.")
    dataset: AnyDataset
    models: dict[Name, AnyModel] = {}
    teachers: dict[Name, Teacher] = {}
    inversions: dict[Name, Inversion] = {}
    methods: dict[Name, Method] = Field(min_length=1)
    protocols: dict[Name, Protocol] = Field(min_length=1)
    runs: list[Run] = Field(min_length=1)
