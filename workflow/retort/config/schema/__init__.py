"""The typed config: what each key means, what it may be, and what it is when left out.

The field descriptions here are the reference; `config.yaml` teaches by example, and the JSON schema that
editors use is generated from these classes (`make schema`).
"""

from typing import Literal

from pydantic import Field

from retort.config.schema.data import AnyDataset
from retort.config.schema.evaluation import Protocol, Quality, Run
from retort.config.schema.grammar import Name, Strict
from retort.config.schema.methods import Method
from retort.config.schema.models import AnyModel, Teacher
from retort.config.schema.sets import Sets
from retort.config.schema.shared import Discovery, Inversion, Typicality


class Config(Strict):
    """The whole experiment."""

    extends: str | None = Field(
        None, description="Another config, of which this one says only what is different; a null takes a key away."
    )
    seed: int = Field(0, ge=0, description="The global seed; every random draw derives from it.")
    deterministic: bool = Field(
        False,
        description="Jobs on a GPU use only kernels that give the same bits every time, which is slower; on a CPU they "
        "always do. Without it results of a GPU are equal to rounding, which trainings amplify.",
    )
    dataset: AnyDataset
    models: dict[Name, AnyModel] = Field({})
    teachers: dict[Name, Teacher] = Field({})
    inversions: dict[Name, Inversion] = Field({})
    discoveries: dict[Name, Discovery] = Field({})
    typicalities: dict[Name, Typicality] = Field({})
    methods: dict[Name, Method] = Field(min_length=1)
    sets: Sets = Field(Sets(), description="How the distilled sets are stored.")
    protocols: dict[Name, Protocol] = Field(min_length=1)
    runs: list[Run] = Field(min_length=1)
    seeds_apart: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether each seed of a student is a job of its own, which changes no result. auto: where one job "
        "of all seeds would ask for more than a day; always: so that they can run side by side, and more seeds later "
        "train none again; never: one job trains all seeds.",
    )
    quality: Quality | None = Field(None, description="What is measured of every distilled set apart from accuracy.")
