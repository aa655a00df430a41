"""What the guides of a method do, put together, cut by sets, and held to what guides promise."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from retort.base.errors import RetortError
from retort.parts.guides import Course, Guide

Term = Callable[..., Tensor | None]
"""A pull, a shift or a move, as `retort.methods.guidance` has them."""

ARGUMENTS = {"conditional": "pull", "posterior": "mean_shift", "clean": "clean_shift", "latents": "move"}
WHAT = {"conditional": "a prediction", "posterior": "a shift", "clean": "a shift", "latents": "a move"}


class Terms:
    """The terms of some guides, which add up; nothing waits for the device until the end.

    sets: the rows of each set of the course's images, for guides of sets; None where all of them are one. Rows in no
    set are left as they are by such guides.
    """

    def __init__(self, guides: Sequence[Guide], course: Course, sets: Sequence[Sequence[int]] | None = None):
        every = range(len(course.class_indices))
        self._sets = [list(rows) for rows in (sets or [every])]
        self._whole = self._sets == [list(every)]
        self._broke: list[tuple[Guide, int, Tensor]] = []  # at each timestep, whether finite numbers became others
        self._of: dict[str, list[Term]] = {}
        for guide in guides:
            self._of.setdefault(guide.acts_on(), []).append(self._term(guide, course))

    def arguments(self) -> dict[str, Term]:
        """By the name of the argument of `Guided` that takes it."""
        return {ARGUMENTS[form]: _sum(terms, form == "conditional") for form, terms in self._of.items()}

    def _term(self, guide: Guide, course: Course) -> Term:
        form = guide.acts_on()
        if guide.set_size(len(course.class_indices)) is None or self._whole:
            return self._held(guide, guide.term(course))
        parts = [(rows, self._held(guide, guide.term(course.of(rows)))) for rows in self._sets]

        def term(*given: Tensor | float | None) -> Tensor | None:
            found = None
            for rows, own in parts:
                said = own(*(each[rows] if isinstance(each, Tensor) else each for each in given))
                if said is None:
                    continue
                if found is None:
                    found = given[1].clone() if form == "conditional" else torch.zeros_like(given[0])
                found[rows] = said
            return found

        return term

    def _held(self, guide: Guide, term: Term) -> Term:
        """The term, where what it gives is alike in shape and precision to what it is given."""
        form = guide.acts_on()

        def held(*given: Tensor | float | None) -> Tensor | None:
            like, timestep = given[0 if form == "latents" else 1], given[1 if form == "latents" else 2]
            if (found := term(*given)) is None and form != "conditional":
                return None
            has, wanted = ((tuple(tensor.shape), tensor.dtype) for tensor in (found, like))
            if has != wanted:
                raise RetortError(
                    f"{_named(guide)} gives {WHAT[form]} of shape {has[0]} and {has[1]} at timestep {timestep}, where "
                    f"{wanted[0]} and {wanted[1]} are wanted; this is a mistake in the code of the guide"
                )
            self._broke.append((guide, timestep, like.isfinite().all() & ~found.isfinite().all()))
            return found

        return held

    def check(self, latents: Tensor) -> None:
        """Raises RetortError where latents are not finite, and a guide is why."""
        if latents.isfinite().all():
            return
        if broke := next(((guide, since) for guide, since, broke in self._broke if broke), None):
            guide, since = broke
            raise RetortError(
                f"{_named(guide)} makes finite predictions not finite, from timestep {since} on; change its keys, or "
                "mend its code"
            )


def _named(guide: Guide) -> str:
    return f"the guide {guide.named_with_file()}"


def _sum(terms: Sequence[Term], corrects: bool) -> Term:
    """One term as it is; of several what all of them add, each to what none of the others has changed."""
    if len(terms) == 1:
        return terms[0]

    def added(*given: Tensor | float | None) -> Tensor | None:
        said = [found for term in terms if (found := term(*given)) is not None]
        if corrects:
            return given[1] + sum(found - given[1] for found in said)
        return sum(said) if said else None

    return added
