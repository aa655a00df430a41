"""Models: encoders, diffusion models and teachers, trained here or taken from elsewhere."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.config.paths import Source
from retort.config.schema.grammar import TABLE_TAG, Count, Fraction, Name, Strict, exactly_one, kind_by_key

Precision = Literal["float32", "bfloat16"]


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
    precision: Precision = Field("float32", description="Autocast precision while training.")

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
    precision: Precision = Field("float32", description="Autocast precision while training.")


class DitFineTuning(Strict):
    """A DiT that goes on from another one's weights, on the latents and classes of this data set."""

    from_: Name = Field(alias="from", description="The dit model, one with a source, whose weights it starts from.")
    steps: Count = 20_000
    batch: Count = 64
    lr: float = Field(1e-4, gt=0)
    warmup: int = Field(500, ge=0, description="Steps of linear warm-up before the cosine decay.")
    ema: float = Field(
        0.9999,
        ge=0,
        lt=1,
        description="Decay of the averaged weights that are kept; it remembers about 1 / (1 - ema) steps, so lower it "
        "with few steps.",
    )
    drop_label: Fraction = Field(0.1, description="Share of training examples that get the null class, for CFG.")
    precision: Precision = Field("bfloat16", description="Autocast precision while training; weights stay float32.")


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
    """How a model is run: speed and memory; nothing here changes a result, but for rounding, or reruns anything."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where the job has one.")
    compile: bool = Field(False, description="torch.compile of the network that predicts noise; pays in long jobs.")
    slicing: bool = Field(
        False,
        description="Attention, and images through the encoder, one image at a time: less memory, slower. Encoders "
        "of 512 px and more take one image at a time in any case.",
    )
    offload: bool = Field(
        False, description="Text encoders and the image encoder wait on the CPU until they are asked: less GPU memory."
    )
    load: Literal["auto", "mmap", "eager"] = Field(
        "auto",
        description="How weights are read: mmap maps the file into memory, eager reads it from the first byte to the "
        "last, auto reads where the file system is not a local one (NFS, Lustre, GPFS, ...), on which maps are slow.",
    )


RUN = Field(
    Execution(),
    description="Speed and memory. A diffusion model's counts for its encoder too where they work together.",
)


ALLOW_PICKLE = Field(
    False,
    description="Where weights are there only as .bin, read them (as tensors alone; code in them is not run) and keep "
    "them as safetensors.",
)


DECODER = Field(
    None,
    description="Another vae model that turns its latents into images, at the encoder's resolution; default: the "
    "encoder. CoDA encodes by a VAE mended for float16 and decodes by SDXL's own in float32.",
)


class _FromSource(Strict):
    source: Source | None = Field(
        None, description="Instead of train: a diffusers directory, a hub id or, for a dit, an original .pt checkpoint."
    )
    revision: str | None = Field(None, description="Revision of the hub id; pin it, so that results stay comparable.")
    allow_pickle: bool = ALLOW_PICKLE
    dtype: Literal["float64", "float32", "float16", "bfloat16"] = Field(
        "float32",
        description="Precision in which the weights run (not of training); float16 and bfloat16 are also what those of "
        "a source are stored in, unless a training starts from them.",
    )
    run: Execution = RUN

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
    fit: Literal["crop", "squash"] = Field(
        "crop",
        description="How an image becomes square before it is encoded: crop keeps the centre, squash resizes the whole "
        "image and loses its aspect ratio, as CoDA does.",
    )
    filter: Literal["bicubic", "bilinear", "lanczos"] = Field(
        "bicubic", description="Pillow's filter by which images are resized before they are encoded; CoDA's is lanczos."
    )
    store: Literal["float32", "float16"] = Field(
        "float32", description="Precision in which latents are stored; float16 halves the disk they take."
    )


class DitModel(_FromSource):
    """A class-conditional diffusion transformer working on the latents of an encoder."""

    kind: Literal["dit"]
    train: AnyDitTraining | None = None
    encoder: Name = Field(description="The vae model whose latents it works on.")
    decoder: Name | None = DECODER
    timestep_embedding: Literal["diffusers", "original"] = Field(
        "diffusers",
        description="original: the original DiT code's frequencies (shift 0), which CaO2 runs; the default where the "
        "source is a .pt checkpoint of that code.",
    )
    classes: str = Field(
        "dataset",
        description="The classes that a source knows, in the order of its labels: dataset, those of the data set; or a "
        "list by name, such as imagenet1k, in which the data set's are found by their ids.",
    )
    heads: Count | None = Field(
        None, description="Attention heads of an original .pt checkpoint whose width is none of the published ones."
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


class Handover(Strict):
    """A refiner that ends what the base model begins."""

    model: Name = Field(description="The sdxl-refiner model.")
    from_: float = Field(
        0.8, alias="from", gt=0, lt=1, description="The share of the noise schedule after which the refiner predicts."
    )


class TextModel(Strict):
    """A text-to-image diffusion model: Stable Diffusion 1.x or 2.x (sd), or SDXL's base (sdxl)."""

    kind: Literal["sd", "sdxl"]
    source: Source = Field(description="A diffusers pipeline directory, or a hub id.")
    revision: str | None = Field(None, description="Revision of the hub id; pin it, so that results stay comparable.")
    allow_pickle: bool = ALLOW_PICKLE
    dtype: Literal["float64", "float32", "float16", "bfloat16"] = Field(
        "float32",
        description="Precision in which the weights run; float16 and bfloat16 are also what they are stored in.",
    )
    encoder: Name = Field(description="The vae model whose latents it works on.")
    decoder: Name | None = DECODER
    prompt: str = Field(
        "{name}", description="The prompt; {name} is the class's first name. The null condition is the empty prompt."
    )
    refiner: Handover | None = Field(None, description="sdxl only: the refiner that takes over at low noise.")
    run: Execution = RUN

    @property
    def train(self) -> None:
        """Models of text are not trained here."""

    @field_validator("prompt")
    @classmethod
    def _names_the_class(cls, prompt: str) -> str:
        if "{name}" not in prompt:
            raise PydanticCustomError("prompt", "must contain {name}, where the class's name goes", {})
        return prompt

    @model_validator(mode="after")
    def _refines_sdxl(self):
        if self.refiner and self.kind != "sdxl":
            raise PydanticCustomError("refiner", "refiner: goes with kind sdxl", {})
        return self


class RefinerModel(Strict):
    """SDXL's refiner, which works on the latents of the base model that names it, and runs as that one does."""

    kind: Literal["sdxl-refiner"]
    source: Source = Field(description="A diffusers pipeline directory, or a hub id.")
    revision: str | None = Field(None, description="Revision of the hub id; pin it, so that results stay comparable.")
    allow_pickle: bool = ALLOW_PICKLE
    dtype: Literal["float64", "float32", "float16", "bfloat16"] = Field(
        "float32",
        description="Precision in which the weights run; float16 and bfloat16 are also what they are stored in.",
    )

    @property
    def train(self) -> None:
        """Models of text are not trained here."""


AnyModel = Annotated[VaeModel | DitModel | TextModel | RefinerModel, Field(discriminator="kind")]


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
    crop: tuple[Fraction, Fraction] | None = Field(
        None,
        description="Random resized crop: its share of the area, from [0] to [1]; for photographs, [0.25, 1.0] say, "
        "with rotate, scale and shift at 0.",
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Autocast precision while training.")

    @field_validator("crop")
    @classmethod
    def _ordered(cls, crop: tuple[float, float] | None) -> tuple[float, float] | None:
        if crop is not None and not 0 < crop[0] <= crop[1]:
            raise PydanticCustomError(
                "range",
                "must be [smallest, largest] share with 0 < smallest <= largest <= 1, found {found}",
                {"found": str(list(crop))},
            )
        return crop


Channels = Annotated[list[float], Field(min_length=3, max_length=3)]


class Teacher(Strict):
    """A classifier of the real classes that labels distilled images and judges generated ones.

    Trained here (train), read from a checkpoint (source), or timm's pretrained one (a tag in arch).
    """

    arch: str = Field(
        description="One of Retort's or timm's architectures; with a tag, resnet18.tv_in1k, timm's ImageNet weights.",
    )
    train: ClassifierTraining | None = None
    source: Source | None = Field(
        None, description="A checkpoint of the same arch: .safetensors, .pth (tensors only), or the folder of one."
    )
    revision: str | None = Field(
        None, description="Revision of timm's weights on the hub; pin it, so that results stay comparable."
    )
    classes: str | None = Field(
        None,
        description="What the rows of the checkpoint's last layer stand for: dataset (the data set's own order), "
        "imagenet1k, or a subset of it by name. Default: what a teacher saved by Retort says, else dataset.",
    )
    resolution: int | None = Field(
        None, ge=8, description="Image side it sees; default: the data set's, for a tag the weights' own."
    )
    mean: Channels | None = Field(None, description="Mean of its normalisation, images in [0, 1]; default: ImageNet's.")
    std: Channels | None = Field(None, description="Standard deviation of its normalisation; default: ImageNet's.")
    expect: Fraction | None = Field(
        None,
        description="Validation top-1 it should reach (a fraction); the run stops when it stays 0.05 below. Default: "
        "what is published of torchvision's weights (a tag tv_in1k), else only that it is better than a guess.",
    )

    @property
    def tag(self) -> str:
        """Of timm's pretrained weights; empty for others."""
        return self.arch.partition(".")[2]

    @model_validator(mode="after")
    def _one_origin(self):
        given = [key for key in ("train", "source") if getattr(self, key) is not None] + ["a tag"] * bool(self.tag)
        if len(given) != 1:
            raise PydanticCustomError(
                "exactly_one",
                "give exactly one of train (made here), source (a checkpoint) and a tag of timm's weights "
                "(arch: resnet18.tv_in1k); found {found}",
                {"found": " and ".join(given) or "none"},
            )
        allowed = {"train": (), "source": ("classes", "resolution", "mean", "std"), "a tag": ("revision", "resolution")}
        for key in ("revision", "classes", "resolution", "mean", "std"):
            if getattr(self, key) is not None and key not in allowed[given[0]]:
                raise PydanticCustomError(
                    "without",
                    "{key} does not go with {given}; it is for {others}",
                    {"key": key, "given": given[0], "others": " or ".join(k for k, v in allowed.items() if key in v)},
                )
        return self

    @field_validator("std")
    @classmethod
    def _positive(cls, std: list[float] | None) -> list[float] | None:
        if std is not None and min(std) <= 0:
            raise PydanticCustomError("positive", "must be three numbers above 0, found {found}", {"found": str(std)})
        return std
