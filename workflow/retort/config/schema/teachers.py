"""Teachers: classifiers that are trained here or taken from elsewhere."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import Count, Fraction, Strict
from retort.base.paths import Source
from retort.config.schema.models import AUTOCAST, BATCH, STEPS, Precision


class ClassifierTraining(Strict):
    """A teacher is trained here on the real training images."""

    steps: Count = Field(500, description=STEPS)
    batch: Count = Field(64, description=BATCH)
    lr: float = Field(3e-3, gt=0, description="This is the largest learning rate.")
    weight_decay: float = Field(0.01, ge=0, description="This is the weight decay of AdamW.")
    rotate: float = Field(
        10.0, ge=0, le=180, description="Images are rotated at random, by up to this many degrees either way."
    )
    scale: Fraction = Field(0.1, description="Images are scaled at random, by up to this share either way.")
    shift: Fraction = Field(
        0.1, description="Images are shifted at random, by up to this share of the side either way."
    )
    flip: bool = Field(
        False, description="With true, images are flipped left to right at random, which is wrong for digits and text."
    )
    crop: tuple[Fraction, Fraction] | None = Field(
        None,
        description="A random resized crop takes a share of the area in this range. It suits photographs: [0.25, 1.0], "
        "say, with rotate, scale and shift at 0.",
    )
    precision: Precision = Field("float32", description=AUTOCAST)

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
    """A teacher is a classifier of the real classes that labels distilled images and judges generated ones.

    It is trained here (train), read from a checkpoint (source), or timm's pretrained one (a tag in arch).
    """

    arch: str = Field(
        description="This is one of Retort's or timm's architectures; with a tag, as in resnet18.tv_in1k, it has "
        "timm's ImageNet weights.",
    )
    train: ClassifierTraining | None = Field(None, description="This table says how the teacher is trained here.")
    source: Source | None = Field(
        None,
        description="This is a checkpoint of the same arch: .safetensors, .pth (tensors only), the folder of one, or "
        "retort:NAME for a teacher that comes with Retort.",
    )
    revision: str | None = Field(
        None,
        description="This is the revision of timm's weights on the hub; pin it, so that results stay comparable.",
    )
    classes: str | None = Field(
        None,
        description="The rows of the checkpoint's last layer stand for these classes: dataset (the data set's own "
        "order), imagenet1k, or a subset of it by name. By default it is what a teacher saved by Retort says, or else "
        "dataset.",
    )
    resolution: int | None = Field(
        None,
        ge=8,
        description="The teacher sees images of this side in pixels; by default it is the data set's, or with a tag "
        "that of the weights.",
    )
    mean: Channels | None = Field(
        None, description="Images in [0, 1] are normalised by this mean; by default it is ImageNet's."
    )
    std: Channels | None = Field(
        None, description="Images in [0, 1] are normalised by this standard deviation; by default it is ImageNet's."
    )
    expect: Fraction | None = Field(
        None,
        description="The teacher should reach this top-1 accuracy on the validation images, a fraction; 0.05 below it "
        "the run stops. By default it is what is published of torchvision's weights (tv_in1k), or else better than "
        "chance.",
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
