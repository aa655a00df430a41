"""The typed config: what each key means, what it may be, and what it is when left out.

The field descriptions here are the reference; `config.yaml` teaches by example, and the JSON schema that
editors use is generated from these classes (`make schema`).
"""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Name, Strict
from retort.base.paths import LocalPath
from retort.config.schema.data import AnyDataset
from retort.config.schema.evaluation import Protocol, Quality, Run
from retort.config.schema.methods import Method
from retort.config.schema.models import AnyModel
from retort.config.schema.sets import Sets
from retort.config.schema.shared import Dynamics, Inversion, Typicality
from retort.config.schema.sweeps import Sweep
from retort.config.schema.teachers import Teacher
from retort.parts.resolve import any_of, ours

_DISCOVERY = f"a table of its encoder and keys, with kind: {' | '.join(ours('discoveries'))}, by default density"


class Config(Strict):
    """The config describes a whole experiment: data, models, methods, and how the sets are measured."""

    extends: str | None = Field(
        None,
        description="This config differs from that one only in the keys that it has itself; null removes a key.",
    )
    seed: int = Field(0, ge=0, description="Every random draw derives from this global seed.")
    deterministic: bool = Field(
        False,
        description="With true, jobs on a GPU use only kernels that give the same bits every time, which is slower. "
        "With false, results of a GPU are equal to rounding, which training amplifies. Results of a CPU always have "
        "the same bits.",
    )
    dataset: AnyDataset = Field(description="This table says where the images are and how large they become.")
    models: dict[Name, AnyModel] = Field(
        {}, description="These are the image encoders and diffusion models, by name; each is trained here or loaded."
    )
    teachers: dict[Name, Teacher] = Field(
        {}, description="These are the classifiers, by name, that label distilled images and choose or score images."
    )
    inversions: dict[Name, Inversion] = Field(
        {}, description="These are DDIM inversions of the training images, by name; methods that name one share it."
    )
    discoveries: dict[Name, any_of("discoveries", _DISCOVERY)] = Field(
        {},
        description="These are searches for what stands for a class, by name; guides, starts and selections that name "
        f"one share it. Each is {_DISCOVERY}.",
    )
    typicalities: dict[Name, Typicality] = Field(
        {}, description="These are measurements of typical regions, by name; methods that name one share it."
    )
    dynamics: dict[Name, Dynamics] = Field(
        {},
        description="These are records of how networks learn the training images, by name; methods that name one share "
        "it.",
    )
    parts: list[LocalPath] = Field(
        [],
        description="Each of these folders holds parts of your own, one file for each; a method uses one by `kind:` "
        "and the name of its file. Relative paths start where snakemake is started. The code in the files is run.",
    )
    methods: dict[Name, Method] = Field(
        min_length=1, description="These are the methods, by name; each is also a target of snakemake."
    )
    sweeps: dict[Name, Sweep] = Field(
        {},
        description="These are sweeps, by name: each makes methods that differ in one key. A run that names a sweep "
        "runs all of its members.",
    )
    sets: Sets = Field(Sets(), description="This table says how the distilled sets are stored.")
    protocols: dict[Name, Protocol] = Field(
        min_length=1, description="These are the protocols, by name, by which distilled sets are measured."
    )
    runs: list[Run] = Field(
        min_length=1, description="Each run combines methods with images per class, protocols and students."
    )
    seeds_apart: Literal["auto", "always", "never"] = Field(
        "auto",
        description="This says whether each seed of a student is a job of its own; no result depends on it. With auto "
        "it is where one job for all seeds would ask for more than a day. With always, seeds can run side by side, and "
        "seeds that are added later train no other again. With never, one job trains all seeds.",
    )
    quality: Quality | None = Field(
        None,
        description="This table says what is measured of every distilled set beside accuracy; null measures nothing.",
    )

    def vaes(self) -> list[str]:
        """Models that encode images."""
        return sorted(name for name, model in self.models.items() if model.kind == "vae")

    def backbones(self) -> list[str]:
        """Models that images can be sampled from."""
        return sorted(name for name, model in self.models.items() if model.kind not in ("vae", "sdxl-refiner"))
