"""Models: encoders and diffusion models, trained here or taken from elsewhere."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import TABLE_TAG, Count, Fraction, Name, Strict, exactly_one, kind_by_key
from retort.base.paths import Source

Precision = Literal["float32", "bfloat16"]

# What each of these keys means, in every table that has it.
KIND = "This is the kind of model."
STEPS = "Training lasts this many optimiser steps."
BATCH = "Each step has this many images."
LR = "This is the learning rate after the warm-up, if there is one."
WARMUP = "The learning rate rises linearly for this many steps before its cosine decay."
EMA = (
    "The averaged weights, which are kept, have this decay, to which it rises as (1 + n) / (10 + n) over n steps. They "
    "remember about 1 / (1 - ema) steps, and in short trainings the last tenth of them."
)
DROP_LABEL = "This share of training examples gets the null class, which CFG needs."
AUTOCAST = "Training runs in this autocast precision; weights stay in float32."
REVISION = "This is the revision of the hub id; pin it, so that results stay comparable."
ENCODER = "The model works on the latents of this vae model."
PIPELINE = "This is the directory of a diffusers pipeline, or a hub id."
STORED_DTYPE = "The weights run in this precision; float16 and bfloat16 are also what they are stored in."


class VaeTraining(Strict):
    """A small AutoencoderKL is trained here on the training images."""

    channels: list[Count] = Field(
        [16, 32, 32],
        min_length=1,
        description="Blocks have these numbers of channels; each block but the last halves the side.",
    )
    layers_per_block: Count = Field(1, description="A block has this many residual layers.")
    norm_groups: Count = Field(8, description="The group norm has this many groups, which must divide all channels.")
    latent_channels: Count = Field(4, description="Latents have this many channels.")
    steps: Count = Field(300, description=STEPS)
    batch: Count = Field(64, description=BATCH)
    lr: float = Field(2e-3, gt=0, description=LR)
    kl_weight: float = Field(1e-6, ge=0, description="The KL term has this weight beside the reconstruction error.")
    precision: Precision = Field("float32", description=AUTOCAST)

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
    """A small class-conditional DiT is trained here on the latents."""

    layers: Count = Field(4, description="The transformer has this many layers.")
    heads: Count = Field(4, description="Each layer has this many attention heads.")
    head_dim: Count = Field(32, description="Each attention head has this many channels.")
    patch: Count = Field(2, description="A token is a patch of this side in latent pixels.")
    steps: Count = Field(2000, description=STEPS)
    batch: Count = Field(64, description=BATCH)
    lr: float = Field(1e-3, gt=0, description=LR)
    warmup: int = Field(100, ge=0, description=WARMUP)
    ema: float = Field(0.998, ge=0, lt=1, description=EMA)
    drop_label: Fraction = Field(0.1, description=DROP_LABEL)
    precision: Precision = Field("float32", description=AUTOCAST)


class MinimaxLosses(Strict):
    """Losses by memories of each class make what is predicted represent the class and differ (Minimax)."""

    represent: float = Field(
        0.002, ge=0, description="The least likeness of predictions to real latents in memory is raised by this weight."
    )
    diverse: float = Field(
        0.008, ge=0, description="The largest likeness of predictions to those in memory is lowered by this weight."
    )
    sparse: float = Field(
        0.0, ge=0, description="The mean absolute value of predictions is lowered by this weight, as in CGS."
    )
    memory: Count = Field(64, description="A memory of a class has this many real latents, and as many predictions.")


class DitFineTuning(Strict):
    """A DiT is trained further from another one's weights, on the latents and classes of this data set."""

    from_: Name = Field(
        alias="from", description="Training starts from the weights of this dit model, which must have a source."
    )
    steps: Count = Field(20_000, description=STEPS)
    batch: Count = Field(64, description=BATCH)
    lr: float = Field(1e-4, gt=0, description=LR)
    warmup: int = Field(500, ge=0, description=WARMUP)
    ema: float = Field(
        0.9999,
        ge=0,
        lt=1,
        description=EMA,
    )
    drop_label: Fraction = Field(0.1, description=DROP_LABEL)
    precision: Precision = Field("bfloat16", description=AUTOCAST)
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="After the warm-up the learning rate falls along a cosine, or it is constant."
    )
    trainable: Literal["all", "difffit"] = Field(
        "all",
        description="All weights are trained, or with difffit only biases, the table of classes and scales in the "
        "first 14 blocks, as in Minimax.",
    )
    losses: MinimaxLosses | None = Field(
        None, description="This table has the weights of Minimax's losses, which compare all images of a batch at once."
    )


def _kind_of_training(found: Any) -> str | None:
    if isinstance(found, DitFineTuning):
        return "<from>"
    if isinstance(found, dict):
        return kind_by_key(found, {"from": "<from>"}) or TABLE_TAG
    return TABLE_TAG if isinstance(found, DitTraining) else None


AnyDitTraining = Annotated[
    Annotated[DitTraining, Tag(TABLE_TAG)] | Annotated[DitFineTuning, Tag("<from>")],
    Discriminator(
        _kind_of_training,
        custom_error_type="word_or_table",
        custom_error_message="must be a table: {layers: ...} to train from nothing, or {from: NAME, ...}",
    ),
]


class Execution(Strict):
    """This table sets speed and memory of a model; it changes results by rounding at most, and reruns nothing."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="The model runs on this device; auto is a GPU where the job has one, or else the CPU."
    )
    compile: bool = Field(
        False, description="With true, torch.compile compiles the network that predicts noise, which pays in long jobs."
    )
    slicing: bool = Field(
        False,
        description="With true, attention and the encoder take one image at a time, which needs less memory and is "
        "slower. Encoders of 512 px and more take one image at a time in any case.",
    )
    offload: bool = Field(
        False,
        description="With true, text encoders and the image encoder stay on the CPU while they are not needed, which "
        "saves GPU memory.",
    )
    load: Literal["auto", "mmap", "eager"] = Field(
        "auto",
        description="Weights are read in this way: mmap maps the file into memory; eager reads it from the first byte "
        "to the last; auto maps on local disks and reads on others (NFS, Lustre, GPFS, ...), where maps are slow.",
    )


RUN = Field(
    Execution(),
    description="This table sets speed and memory. A diffusion model's also holds for its encoder where they work "
    "together.",
)


ALLOW_PICKLE = Field(
    False,
    description="With true, weights that exist only as .bin are read as tensors alone, without running code in them, "
    "and are kept as safetensors.",
)


DECODER = Field(
    None,
    description="This vae model turns latents into images, at the encoder's resolution; by default it is the encoder. "
    "CoDA encodes by a VAE that is fixed for float16 and decodes by SDXL's own in float32.",
)


class _FromSource(Strict):
    source: Source | None = Field(
        None,
        description="The model is loaded from here, and not trained: a diffusers directory, a hub id, retort:NAME "
        "for a model that comes with Retort or, for a dit, an original .pt checkpoint.",
    )
    revision: str | None = Field(None, description=REVISION)
    allow_pickle: bool = ALLOW_PICKLE
    dtype: Literal["float64", "float32", "float16", "bfloat16"] = Field(
        "float32",
        description="The weights run in this precision, except in training. Weights of a source are also stored in it, "
        "if it is float16 or bfloat16 and no training starts from them.",
    )
    run: Execution = RUN

    @model_validator(mode="after")
    def _trained_or_loaded(self):
        exactly_one(self, "train", "source", "train (made here) and source (a directory or hub id)")
        return self


class VaeModel(_FromSource):
    """A VAE (AutoencoderKL) encodes images as latents and decodes them."""

    kind: Literal["vae"] = Field(description=KIND)
    train: VaeTraining | None = Field(None, description="This table says how the VAE is trained here.")
    resolution: int | None = Field(
        None, ge=8, description="The VAE works on images of this side in pixels; by default it is the data set's."
    )
    posterior: Literal["sample", "mean"] = Field(
        "sample",
        description="A latent is this of its image's posterior: sample is a seeded draw, as D3HR does it; mean is the "
        "mean, as CoDA does it.",
    )
    fit: Literal["crop", "squash"] = Field(
        "crop",
        description="An image becomes square in this way before it is encoded: crop keeps the centre; squash resizes "
        "the whole image and loses its aspect ratio, as CoDA does.",
    )
    filter: Literal["bicubic", "bilinear", "lanczos"] = Field(
        "bicubic",
        description="Images are resized by this filter of Pillow's before they are encoded; CoDA has lanczos, D3HR "
        "bilinear.",
    )
    store: Literal["float32", "float16"] = Field(
        "float32", description="Latents are stored in this precision; float16 halves the disk space that they take."
    )


class DitModel(_FromSource):
    """A class-conditional diffusion transformer works on the latents of an encoder."""

    kind: Literal["dit"] = Field(description=KIND)
    train: AnyDitTraining | None = Field(
        None, description="This table says how the DiT is trained here, from nothing or from another one's weights."
    )
    encoder: Name = Field(description=ENCODER)
    decoder: Name | None = DECODER
    timestep_embedding: Literal["diffusers", "original"] = Field(
        "diffusers",
        description="Timesteps are embedded in this way: diffusers has a frequency shift of 1, which D3HR runs; "
        "original has 0, as the original DiT code, which CaO2 runs. For a .pt checkpoint of that code the default is "
        "original.",
    )
    classes: str = Field(
        "dataset",
        description="A source knows these classes, in the order of its labels: dataset is those of the data set; the "
        "name of a list, such as imagenet1k, is that list, in which the data set's classes are found by their ids.",
    )
    heads: Count | None = Field(
        None,
        description="An original .pt checkpoint has this many attention heads; give it for widths that are not "
        "published.",
    )

    @model_validator(mode="before")
    @classmethod
    def _original_checkpoint(cls, data: Any) -> Any:
        if isinstance(data, dict) and str(data.get("source")).endswith((".pt", ".pth")):
            return {"timestep_embedding": "original"} | data
        return data

    @model_validator(mode="after")
    def _trained_on_the_dataset(self):
        given = [key for key, default in (("classes", "dataset"), ("heads", None)) if getattr(self, key) != default]
        if self.train and given:
            raise PydanticCustomError("of_source", "{given}: goes with source, not with train", {"given": given[0]})
        return self


class OptimalModel(Strict):
    """An optimal denoiser makes no error: it is the closed form for the training latents, which it knows by heart.

    It is for studies of what a method does with a perfect model. It only repeats training images.
    """

    kind: Literal["optimal"] = Field(description=KIND)
    encoder: Name = Field(
        description="The model knows the training latents of this vae model by heart, and works on them."
    )
    decoder: Name | None = DECODER
    run: Execution = RUN

    @property
    def train(self) -> None:
        """It is made, not trained."""

    @property
    def source(self) -> None:
        """It is made here."""

    @property
    def dtype(self) -> str:
        """Of what it takes and gives."""
        return "float32"


class Handover(Strict):
    """A refiner ends the sampling that the base model begins."""

    model: Name = Field(description="This is the sdxl-refiner model that takes over.")
    from_: float = Field(
        0.8, alias="from", gt=0, lt=1, description="The refiner predicts after this share of the noise schedule."
    )


class TextModel(Strict):
    """A text-to-image model is Stable Diffusion 1.x or 2.x (sd), or SDXL's base (sdxl)."""

    kind: Literal["sd", "sdxl"] = Field(description=KIND)
    source: Source = Field(description=PIPELINE)
    revision: str | None = Field(None, description=REVISION)
    allow_pickle: bool = ALLOW_PICKLE
    dtype: Literal["float64", "float32", "float16", "bfloat16"] = Field("float32", description=STORED_DTYPE)
    encoder: Name = Field(description=ENCODER)
    decoder: Name | None = DECODER
    prompt: str = Field(
        "{name}",
        description="This is the prompt, in which {name} is the class's first name, and {names} all of its names as "
        "the list of classes has them. The null condition is the prompt `negative`.",
    )
    negative: str = Field(
        "",
        description="This is the prompt that CFG turns away from, by default the empty one, or zeros with SDXL; D4M "
        "has cartoon, anime, painting.",
    )
    refiner: Handover | None = Field(
        None, description="This table names the refiner that takes over at low noise; it goes with sdxl only."
    )
    run: Execution = RUN

    @property
    def train(self) -> None:
        """Models of text are not trained here."""

    @field_validator("prompt")
    @classmethod
    def _names_the_class(cls, prompt: str) -> str:
        if "{name}" not in prompt and "{names}" not in prompt:
            raise PydanticCustomError("prompt", "must contain {name}, where the class's name goes", {})
        return prompt

    @model_validator(mode="after")
    def _refines_sdxl(self):
        if self.refiner and self.kind != "sdxl":
            raise PydanticCustomError("refiner", "refiner: goes with kind sdxl", {})
        return self


class RefinerModel(Strict):
    """SDXL's refiner works on the latents of the base model that names it, and runs as that one does."""

    kind: Literal["sdxl-refiner"] = Field(description=KIND)
    source: Source = Field(description=PIPELINE)
    revision: str | None = Field(None, description=REVISION)
    allow_pickle: bool = ALLOW_PICKLE
    dtype: Literal["float64", "float32", "float16", "bfloat16"] = Field("float32", description=STORED_DTYPE)

    @property
    def train(self) -> None:
        """Models of text are not trained here."""


AnyModel = Annotated[VaeModel | DitModel | OptimalModel | TextModel | RefinerModel, Field(discriminator="kind")]
