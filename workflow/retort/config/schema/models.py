"""Models: encoders, diffusion models and teachers, trained here or taken from elsewhere."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.config.schema.grammar import Count, Fraction, Name, Strict, exactly_one


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
        exactly_one(self, "train", "source", "train (made here) and source (a directory or hub id)")
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


class TextModel(Strict):
    """A text-to-image diffusion model: Stable Diffusion 1.x or 2.x (sd), or SDXL's base (sdxl)."""

    kind: Literal["sd", "sdxl"]
    source: str = Field(description="A diffusers pipeline directory, or a hub id.")
    revision: str | None = Field(None, description="Revision of the hub id; pin it, so that results stay comparable.")
    dtype: Literal["float64", "float32", "float16", "bfloat16"] = Field("float32", description="Precision it runs in.")
    encoder: Name = Field(description="The vae model whose latents it works on.")
    prompt: str = Field(
        "{name}", description="The prompt; {name} is the class's first name. The null condition is the empty prompt."
    )

    @property
    def train(self) -> None:
        """Models of text are not trained here."""

    @field_validator("prompt")
    @classmethod
    def _names_the_class(cls, prompt: str) -> str:
        if "{name}" not in prompt:
            raise PydanticCustomError("prompt", "must contain {name}, where the class's name goes", {})
        return prompt


AnyModel = Annotated[VaeModel | DitModel | TextModel, Field(discriminator="kind")]


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
