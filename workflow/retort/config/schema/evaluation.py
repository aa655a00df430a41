"""Protocols that measure distilled sets, and the run table."""

from typing import Annotated, Literal

from pydantic import Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from retort.config.architectures import ARCHITECTURES
from retort.config.schema.grammar import TABLE_TAG, Count, Fraction, Name, Strict, exactly_one, word_or_table


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
        exactly_one(self, "steps", "epochs", "steps and epochs")
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
        word_or_table("hard", _LABELS),
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
