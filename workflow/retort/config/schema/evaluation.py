"""Protocols that measure distilled sets, the run table, and measures beyond accuracy."""

import hashlib
import json
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import TABLE_TAG, Count, Fraction, Name, Strict, word_or_table
from retort.base.hints import did_you_mean
from retort.config.architectures import ARCHITECTURES
from retort.config.inherit import merged
from retort.config.presets import known_presets, presets


class TeacherLabels(Strict):
    """A teacher gives soft labels to the distilled images."""

    teacher: Name = Field(description="This teacher gives the labels.")
    kind: Literal["region", "static", "online"] = Field(
        "region",
        description="Labels are made in this way: region stores the logits of every augmented view once, for all "
        "students; static stores one label an image; online asks the teacher while a student trains, on the views of "
        "region.",
    )
    top: Count | None = Field(
        None,
        description="Only this many of the highest logits of a label are kept, and what the other classes share evenly "
        "at the protocol's temperature. By default all are kept, in half precision; 10 of 1,000 take a 45th of the "
        "bytes.",
    )

    views_by_seed: bool | None = Field(
        None,
        description="With true, each student draws augmented views of its own, as by hard labels, so that the spread "
        "between seeds has them in it. This takes kind: online. By default all students of a set see the same views "
        "where a teacher labels views.",
    )

    @model_validator(mode="after")
    def _views_are_not_stored(self):
        if self.views_by_seed and self.kind != "online":
            why = {"region": "stored labels are of views that all seeds share; give kind: online, or leave it out"}
            reason = why.get(self.kind, "with static labels each seed draws views of its own already; leave it out")
            raise PydanticCustomError("views_by_seed", "views_by_seed: {reason}", {"reason": reason})
        return self


# A number, or one for each size of the set: {10: 2000, 50: 1500} means up to 10 images per class, up to 50; beyond the
# last, as for the last.
PerIpc = Annotated[
    Annotated[Count, Tag("<number>")] | Annotated[dict[Count, Count], Field(min_length=1), Tag(TABLE_TAG)],
    Discriminator(lambda found: TABLE_TAG if isinstance(found, dict) else "<number>"),
]


# A plain union would read 1 as true.
SwitchOrNumber = Annotated[
    Annotated[bool, Tag("<switch>")] | Annotated[int, Field(ge=2), Tag("<number>")],
    Discriminator(lambda found: "<number>" if type(found) is int else "<switch>"),
]


def at_ipc(value: int | dict[int, int] | None, ipc: str) -> int | None:
    """What a PerIpc says for a set of `ipc` images per class, a number or "all"."""
    if not isinstance(value, dict):
        return value
    fitting = [bound for bound in value if ipc.isdigit() and int(ipc) <= bound]
    return value[min(fitting, default=max(value))]


class Views(Strict):
    """This table says what a student sees: for how long, in what batches and how augmented."""

    batch: PerIpc = Field(
        64,
        description="A step has this many views, and, unless updates is given, never more than the set has images. A "
        "table gives one number by images per class: {10: 50, 50: 100}.",
    )
    updates: Count | None = Field(
        None,
        description="Training lasts this many optimiser steps of exactly batch views, so that sets of any number of "
        "images are trained equally long; how often an image is seen follows from the size of its set. Give one of "
        "updates, steps and epochs.",
    )
    steps: Count | None = Field(
        None,
        description="Training lasts this many optimiser steps, which have fewer views where the set has fewer images "
        "than the batch.",
    )
    epochs: PerIpc | None = Field(
        None,
        description="Training lasts this many passes over the distilled set. A table gives one number by images per "
        "class: {10: 2000, 50: 1500}.",
    )
    crop: tuple[Fraction, Fraction] = Field(
        (0.5, 1.0), description="A random resized crop takes a share of the area in this range."
    )
    flip: bool = Field(
        False, description="With true, views are flipped left to right at random, which is wrong for digits and text."
    )
    cutmix: float = Field(1.0, ge=0, description="This is alpha of the Beta distribution of CutMix, which 0 turns off.")
    mixup: float = Field(
        0.0,
        ge=0,
        description="This is alpha of the Beta distribution of MixUp, which goes without CutMix; 0 turns it off.",
    )
    jitter: float = Field(
        0.0, ge=0, description="Brightness, contrast and saturation change by up to this share, either way (IDC: 0.4)."
    )
    lighting: float = Field(
        0.0, ge=0, description="Noise in ImageNet's principal colours is added with this strength (IDC: 0.1)."
    )
    shuffle_patches: SwitchOrNumber = Field(
        False,
        description="With true, the patches of mosaics are shuffled, as RDED does. With a number n, the n x n patches "
        "of any set's images are shuffled, as CaO2 does with 2.",
    )

    @field_validator("crop")
    @classmethod
    def _ordered(cls, crop: tuple[float, float]) -> tuple[float, float]:
        if not 0 < crop[0] <= crop[1]:
            raise PydanticCustomError("crop", "must be two areas with 0 < low <= high <= 1", {})
        return crop

    @model_validator(mode="after")
    def _one_length(self):
        given = [key for key in ("updates", "steps", "epochs") if getattr(self, key) is not None]
        if len(given) != 1:
            found = {"found": " and ".join(given) or "none of them"}
            raise PydanticCustomError("length", "give exactly one of updates, steps and epochs; found {found}", found)
        if self.updates and isinstance(self.batch, dict):
            raise PydanticCustomError(
                "equal_batch", "with updates, batch must be one number for sets of all sizes; found a table", {}
            )
        if self.cutmix and self.mixup:
            raise PydanticCustomError("mixing", "cutmix and mixup cannot both be on; set one of them to 0", {})
        return self

    def at(self, ipc: str, grid: int) -> dict:
        """Plain settings for a set of `ipc` images per class ("all" for the whole) that are grid x grid mosaics."""
        settings = self.model_dump(mode="json", exclude={"shuffle_patches"})
        settings |= {"batch": at_ipc(self.batch, ipc), "epochs": at_ipc(self.epochs, ipc)}
        shuffle = {True: grid, False: 1}.get(self.shuffle_patches, self.shuffle_patches)
        return settings | {"shuffle": shuffle}

    def without_augmentation(self) -> "Views":
        """The same length and batches, on the images as they are."""
        off = {"crop": (1.0, 1.0), "flip": False, "shuffle_patches": False}
        return self.model_copy(update=off | dict.fromkeys(("cutmix", "mixup", "jitter", "lighting"), 0.0))


class Optimizer(Strict):
    """This table says how a student is optimised."""

    kind: Literal["sgd", "adamw"] = Field(description="This optimiser trains the student.")
    lr: float = Field(gt=0, description="This is the learning rate at the start.")
    momentum: Fraction = Field(0.9, description="This is the momentum of sgd; adamw does not use it.")
    weight_decay: float = Field(
        0.0, ge=0, description="This is the weight decay; adamw does not apply it to 1-d parameters, as in RDED."
    )
    schedule: Literal["half-cosine", "cosine", "milestones", "constant"] = Field(
        description="The learning rate changes in this way: half-cosine goes to half of it, as RDED; cosine goes "
        "to zero; milestones multiplies it by 0.2 after 2/3 and 5/6 of the training, as Minimax and IDC; constant "
        "leaves it."
    )


Precision = Literal["float32", "bfloat16", "float16"]

_LABELS = (
    "hard (the class), own (the soft labels that an imported set brings), or "
    "{teacher: NAME, kind: region | static | online, top: NUMBER}"
)


_NO_TEMPERATURE = (
    "temperature is missing, and labels: own has no usual one; give temperature: 1 for labels that are probabilities "
    "or were learnt, or the temperature of the loss that a teacher's logits were made for, such as 20"
)
PAPERS_RESIZE = "bilinear"  # of test images, as torchvision does by default


def _complete_or_by_preset(schema: dict) -> None:
    """For editors: what is required need not be there beside a preset."""
    schema["anyOf"] = [{"required": ["preset"]}, {"required": schema.pop("required")}]


class Protocol(Strict):
    """A protocol is a complete recipe for measuring a distilled set."""

    model_config = ConfigDict(json_schema_extra=_complete_or_by_preset)

    preset: str | None = Field(
        None,
        description="The protocol is this paper's with all its constants, but for the keys that are given beside it. "
        f"There are {known_presets()}.",
        examples=list(presets()),
    )
    labels: Annotated[
        Annotated[Literal["hard"], Tag("hard")]
        | Annotated[Literal["own"], Tag("own")]
        | Annotated[TeacherLabels, Tag(TABLE_TAG)],
        word_or_table(("hard", "own"), _LABELS),
    ] = Field(description=f"Students are trained on these labels: {_LABELS}.")
    views: Views = Field(description="This table says what students see.")
    optimizer: Optimizer = Field(description="This table says how students are optimised.")
    temperature: float = Field(
        20.0,
        gt=0,
        description="The loss on soft labels is the KL divergence at this temperature, without T squared. With labels: "
        "own it must be given: at 1 the targets are the set's own probabilities.",
    )
    evaluations: Count = Field(
        10, description="A student is tested this many times, evenly spread, the last time after the last step."
    )
    precision: Precision = Field(
        "float32",
        description="Students train and the teacher labels in this autocast precision. Weights stay in float32, "
        "float16 scales the losses, and students are always tested in float32. The papers' numbers are of float32.",
    )
    accumulate: Count = Field(
        1,
        description="A batch is computed in this many parts, of two images at least, to save memory; it is mixed as a "
        "whole. Only rounding differs, except for networks with batch norm or dropout, which see the parts.",
    )
    forward_twice: bool = Field(
        False,
        description="With true, a student sees each batch once more before, in training mode and without learning from "
        "it, as in the code of RDED, D3HR and CaO2. Running statistics of batch norm then move by 0.19 a step and not "
        "by 0.1.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, table: Any) -> Any:
        name = table.get("preset") if isinstance(table, dict) else None
        if name is None:
            return table
        if not isinstance(name, str) or name not in presets():
            known = {"name": repr(name), "hint": did_you_mean(str(name), presets()), "known": known_presets()}
            raise PydanticCustomError("preset", "no preset is called {name}{hint} (there are {known})", known)
        return merged(presets()[name], table)

    @model_validator(mode="after")
    def _own_at_a_temperature(self):
        if self.labels == "own" and "temperature" not in self.model_fields_set:
            raise PydanticCustomError("own_temperature", "{reason}", {"reason": _NO_TEMPERATURE})
        return self

    @property
    def teacher_labels(self) -> TeacherLabels | None:
        """The labels that a teacher gives; None for hard ones, and for those that a set brings."""
        return self.labels if isinstance(self.labels, TeacherLabels) else None

    def id_with(self, test_resize: str = PAPERS_RESIZE) -> str:
        """What stands for the protocol in tables: its preset when nothing was changed, else a hash of what it says.

        How test images are resized (`dataset.test_resize`) is part of it where that is not the papers' way, which every
        preset has. The teacher is not: the same protocol may be run with another one.
        """
        content = _content(self) | ({} if test_resize == PAPERS_RESIZE else {"test_resize": test_resize})
        for name, of_preset in _contents_of_presets().items():
            if content == of_preset:
                return name
        kind = "soft" if self.teacher_labels else self.labels
        return f"{kind}-{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]}"

    @property
    def id(self) -> str:
        """The same with test images resized as in the papers."""
        return self.id_with()


# Keys that are younger than published ids: at their defaults they are no part of one.
YOUNGER = ("precision", "accumulate", "forward_twice")


@cache
def _contents_of_presets() -> dict[str, dict]:
    return {name: _content(Protocol.model_validate(_with_teacher(preset))) for name, preset in presets().items()}


def _content(protocol: Protocol) -> dict:
    default = {name for name in YOUNGER if getattr(protocol, name) == Protocol.model_fields[name].default}
    table = protocol.model_dump(mode="json", exclude={"preset", *default})
    if protocol.views.updates is None:  # as is this one
        del table["views"]["updates"]
    if protocol.labels == "hard":
        return {key: value for key, value in table.items() if key != "temperature"}
    if (given := protocol.teacher_labels) is None:
        return table
    kept = "" if given.top is None else f" top {given.top}"
    return table | {"labels": given.kind + kept + (" by seed" if given.views_by_seed else "")}


def _with_teacher(preset: dict) -> dict:
    labels = preset["labels"]
    return preset if labels == "hard" else preset | {"labels": {**labels, "teacher": "any"}}


CHEAP_SIDE, CHEAP_SEEDS, FEW_SEEDS = 64, 5, 3  # pixels; students where they are cheap, and where they are not


class Run(Strict):
    """A run is every combination of the methods, images per class, protocols and students that it lists."""

    methods: list[Name] = Field(min_length=1, description="These methods make the sets.")
    ipc: list[Count] | None = Field(
        None,
        min_length=1,
        description="The sets have these numbers of images per class (IPC). The key may be left out where every method "
        "takes all training images.",
    )
    protocols: list[Name] = Field(min_length=1, description="The sets are measured by these protocols.")
    students: list[Name] = Field(
        min_length=1,
        description="Students have these architectures. There are "
        f"{', '.join(ARCHITECTURES)}, and all names of timm's (resnet18).",
    )
    seeds: Count | None = Field(
        None,
        description="Each combination has this many students; their mean and spread go into the table. By default "
        f"there are {FEW_SEEDS}, or {CHEAP_SEEDS} where students are cheap, which is at a resolution of {CHEAP_SIDE} "
        "pixels or less.",
    )
    set_seeds: Count = Field(
        1,
        description="Each method makes this many independent sets, by the method's keys seed: 0, 1 and so on, which "
        "share a row of the tables; set 0 is the set that there is without this key. A method that draws nothing has "
        "one set.",
    )

    def students_each(self, resolution: int) -> int:
        """How many students each combination has, for test images of a resolution."""
        return self.seeds or (CHEAP_SEEDS if resolution <= CHEAP_SIDE else FEW_SEEDS)


MEASURES = ("density-coverage", "fid", "kid")


class Quality(Strict):
    """Distilled sets are compared with the real training images, in the features of a teacher."""

    teacher: Name = Field(description="Images are compared in the features of this teacher.")
    measures: list[Literal[MEASURES]] = Field(
        list(MEASURES),
        min_length=1,
        description="These measures are taken: density-coverage (Naeem et al. 2020) within each class, fid, which is "
        "too high for few images, and kid, which is less so. Compare sets of the same size only.",
    )
    neighbors: Count = Field(
        5, description="Density and coverage use a neighbourhood of this many images; the paper has 5."
    )
