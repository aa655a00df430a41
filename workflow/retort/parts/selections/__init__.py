"""Selections: which candidates become the images of a class, from a generated pool or from the real images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from retort.base.grammar import Count
from retort.parts.part import Part, TeacherName

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from retort.methods.subgroups import Choice
    from retort.parts.difficulties import Lessons


@dataclass(frozen=True)
class Seen:
    """The candidates of a class, and what is seen of each.

    features (n, D) float32: latents laid flat, of an encoder, or the teacher's features, as the selection's keys say.
    logits (n, K) float32 by its teacher; None where it has none. class_index: the class that the candidates are of.
    lessons: what networks said of real images in their training, for a selection that names `dynamics`; with it there
    is nothing else.
    """

    features: np.ndarray | None
    logits: Tensor | None
    class_index: int
    lessons: Lessons | None = None

    def count(self) -> int:
        """How many candidates there are."""
        if self.lessons is not None:
            return len(self.lessons.labels)
        return len(self.logits if self.features is None else self.features)


@dataclass(frozen=True)
class Chosen:
    """The candidates that are kept, best first, and columns of the set's manifest.csv with a value for each."""

    members: Sequence[int]
    columns: Mapping[str, Sequence] = field(default_factory=dict)


def mistake_of(chosen: Chosen, count: int, candidates: int) -> str | None:
    """What is wrong with a choice of `count` of so many candidates; None where nothing is."""
    if not isinstance(chosen, Chosen):
        return f"gives a {type(chosen).__name__}, where Chosen(members, columns) is wanted"
    members = list(map(int, chosen.members))
    if len(set(members)) != count or len(members) != count:
        return (
            f"keeps {len(members)} images, {len(set(members))} of them different, where {count} different ones are "
            "wanted"
        )
    if outside := [member for member in members if not 0 <= member < candidates]:
        return f"keeps image {outside[0]} of {candidates}, which are numbered from 0"
    for name, values in chosen.columns.items():
        if len(values) != count:
            return f"has {len(values)} values of the column {name} for {count} images"
    return None


class Selection(Part):
    """A selection chooses by what its teacher or its encoder, which its keys name, sees of each candidate."""

    family = "selections"
    stage: ClassVar[str | None] = "select_by_features"  # of real images; from a pool it is choose_from_pool
    pools: ClassVar[bool] = True
    """Whether it can choose from a generated pool."""
    pool_stages: ClassVar[tuple[str, ...]] = ("choose_from_pool",)
    """The stages by which it does."""
    seconds: ClassVar[float] = 5
    """For a class, at full size, beside what its teacher or encoder takes."""
    takes_all: ClassVar[bool] = False
    """Whether a set of it is the whole training set."""

    def choose(self, seen: Seen, count: int, seed: int) -> Chosen:
        """`count` distinct candidates of a class; which they are may not depend on the order of the candidates, but for
        ties, unless `reads_order` says so.

        Raises ValueError where they cannot be chosen from.
        """
        raise NotImplementedError

    def reads_order(self) -> bool:
        """Whether others may be chosen where the same candidates stand in another order, as with k-means, which begins
        with rows that it draws by their number."""
        return False

    def sees_raw(self) -> bool:
        """Whether its teacher sees images of a pool as they are, not normalised as it was trained to see them."""
        return False

    def clashes(self, method):
        looks = self.stage == "select_by_features"
        if looks and not method.generate and not self.space():
            yield (
                f"select: {self.kind} chooses real images by what an encoder or a teacher sees in them, and names "
                "neither; let it have a key for one, or add generate"
            )
        if method.generate and not self.pools:
            yield (
                f"with generate, select chooses from the pool, and {self.source()} chooses among real images; give a "
                "teacher or a coverage, or leave generate out"
            )
        elif method.generate and method.generate.pool == 1:
            yield "select has nothing to choose from: generate.pool is 1; set a pool of 2 or more"

    def misfits(self, place, method, config):
        generate, encoder = method.generate, self.name_in("encoders")
        if generate and encoder in config.vaes() and generate.model in config.backbones():
            own = config.models[generate.model].encoder
            if encoder != own:
                yield (
                    f"{place}.select.encoder: found {encoder!r}, but the pool's latents are those of {own!r}, the "
                    f"encoder of {generate.model!r}; name that one, or a teacher"
                )

    def source(self) -> str:
        """What chooses, where it can only choose among real images."""
        return self.kind

    def pool_in_words(self) -> str:
        """What it does with a pool, as a part of a sentence: `in_words` is of real images."""
        return f"keeps some by {self.in_words()}"


class OfAllClasses(Selection):
    """A selection that sees all classes of a pool at once, and keeps one of several groups of images of each."""

    stage = None
    pool_stages = ("describe_subgroups", "choose_subgroups")
    seeded = False

    subgroups: Annotated[int, Field(ge=2)] = Field(
        description="The pool of a class is so many groups; generate.pool must be the same number."
    )
    teacher: TeacherName = Field(description="Centroids are those of this teacher's features.")
    real_images: Count = Field(200, description="The real centroid of a class is of this many random images at most.")

    def choose_groups(
        self,
        candidates: np.ndarray,
        real: np.ndarray,
        progress: Callable[[Sequence[int]], Iterable[int]] = iter,
    ) -> Choice:
        """Which group of each class, of the groups' centroids (C, G, D) and the real centroids (C, D), unit vectors.

        progress shows how classes go by. Raises ValueError where they cannot be chosen from.
        """
        raise NotImplementedError

    def clashes(self, method):
        yield from super().clashes(method)
        if not method.generate:
            yield f"select: {self.kind} chooses from a pool, and nothing is generated; add generate with a pool"
        elif method.generate.pool not in (1, self.subgroups):
            yield (
                f"select.subgroups is {self.subgroups}, but generate.pool is {method.generate.pool}: a pool is as many "
                "groups; give both the same number"
            )

    def pool_in_words(self) -> str:
        return f"keeps {self.in_words()}"


class OfNames(Selection):
    """A selection that looks at no image."""

    stage = "select_images"
    pools = False

    def order(self, image_ids: Sequence[str], seed: int, dataset: str) -> list[int]:
        """Positions of the images of a class, the first to be taken first."""
        raise NotImplementedError


def among(record: Mapping[str, Any]) -> str:
    """What a set was chosen from, by its provenance."""
    return "of the pool" if record["settings"].get("generate") else "of the real training images"
