"""What starts, samplers, guides and refinements promise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from retort.parts.contracts.base import SHAPE, Contract, Promise, always, farthest, hold, model, normal, twice
from retort.parts.guides import Course
from retort.parts.part import Part

if TYPE_CHECKING:
    from retort.methods.guidance import Move
    from retort.methods.terms import Term

STEPS = 50
GRID = list(range(900, -1, -100))

# ---------------------------------------------------------------- starts and samplers


class _Asked:
    """The exact noise in latents of the model's class 1, at their precision; remembers when it is asked."""

    mean_shift = None

    def __init__(self, move: Move | None = None):
        self.timesteps: list[int] = []
        self.move = move

    def __call__(self, latents: Tensor, timestep: int, sigma: float | None = None) -> Tensor:
        self.timesteps.append(int(timestep))
        known = model()
        signal = float(known.alphas_cumprod[timestep]) if sigma is None else 1 / (1 + sigma**2)
        total = signal * known.variance[1] + (1 - signal)
        return ((1 - signal) ** 0.5 * (latents - signal**0.5 * known.mean[1]) / total).to(latents.dtype)

    def with_variance(self, latents: Tensor, timestep: int) -> tuple[Tensor, None]:
        return self(latents, timestep), None


def _starts_from_its_own_noise(part: Part) -> str:
    given = normal(5, *SHAPE).float() if part.stage or part.name_in("discoveries") else None
    for signal in (None, 0.3) if part.begins(STEPS) is not None else (None,):

        def begin(at: float | None = signal) -> Tensor:
            own = torch.Generator().manual_seed(3)
            return part.begin(lambda: torch.randn(SHAPE, generator=own), given, at)

        one, other = twice(begin)
        hold(one.shape == SHAPE and one.dtype == torch.float32, f"{tuple(one.shape)}, {one.dtype}")
        hold(bool(one.isfinite().all()), "a latent that is not finite")
        hold(torch.equal(one, other), "the same noise gives two latents")
    return "a finite float32 latent, twice the same"


def _sampled(part: Part, images: Sequence[int], steps: int = STEPS, first: int | None = None) -> tuple[Tensor, _Asked]:
    """Images by their numbers, which seed their noise, and whom the sampler asked."""
    asked, fresh = _Asked(), [torch.Generator().manual_seed(1000 + i) for i in images]
    start = torch.stack([normal(i, *SHAPE) for i in images]).float()
    kept = start.clone()

    def noise() -> Tensor:
        return torch.stack([torch.randn(SHAPE, generator=own) for own in fresh])

    found = part.sample(start, asked, model().alphas_cumprod, steps, first, noise)
    hold(torch.equal(start, kept), "the starting latents were changed in place")
    return found, asked


def _asks_on_its_grid(part: Part) -> str:
    for steps, first in ((9, None), (STEPS, None), (9, 4), (9, 0)):
        found, asked = _sampled(part, [0, 1, 2], steps, first)
        grid = [int(timestep) for timestep in part.grid(model().alphas_cumprod, steps, first)]
        hold(asked.timesteps == grid, f"grid says {grid}, and the model is asked at {asked.timesteps}")
        hold(grid == sorted(grid, reverse=True), f"{grid} does not descend")
        wanted = steps if first is None else first + 1
        hold(wanted <= len(grid) <= wanted + part.more_calls, f"{len(grid)} steps where {wanted} are wanted")
        hold(found.shape == (3, *SHAPE) and found.dtype == torch.float32, f"{tuple(found.shape)}, {found.dtype}")
        hold(bool(found.isfinite().all()), f"latents that are not finite after {steps} steps")
    return "9 and 50 steps, each where grid says, to finite latents"


def _same_image_in_any_company(part: Part) -> str:
    one, other = twice(lambda: _sampled(part, [0, 1, 2], 9)[0])
    hold(torch.equal(one, other), "the same start and seed give two results")
    alone = torch.cat([_sampled(part, [image], 9)[0] for image in (0, 1, 2)])
    far = farthest(alone, one)
    hold(far < 1e-5, f"an image differs by {far:.3g} when it is sampled alone")
    return f"alone and together differ by at most {far:.1g}"


def _goes_on_from_the_noise_it_says(part: Part) -> str:
    """Data of the class, noised to where sampling begins, become data of the class."""
    known, first, count = model(), 29, 64
    signal = part.signal(known.alphas_cumprod, STEPS, first)
    hold(0 < signal < 1, f"the signal at step {first} of {STEPS} is {signal}")
    clean = known.draw(1, count, seed=5)
    start = (signal**0.5 * clean + (1 - signal) ** 0.5 * normal(6, count, *SHAPE)).float()
    own = torch.Generator().manual_seed(8)
    fresh = lambda: torch.randn(count, *SHAPE, generator=own)  # noqa: E731
    found = part.sample(start, _Asked(), known.alphas_cumprod, STEPS, first, fresh)
    scaled = (found.double() - known.mean[1]) / known.variance[1].sqrt()
    mean, size = scaled.mean().item(), scaled.std().item()
    said = f"mean {mean:.2f} (0 is right), deviation {size:.2f} (1 is right)"
    hold(abs(mean) < 0.1 and 0.8 < size < 1.2, said)
    return said


def _samples_what_the_model_knows(part: Part) -> str:
    found, _ = _sampled(part, range(32))
    known = model()
    scaled = (found.double() - known.mean[1]) / known.variance[1].sqrt()
    mean, size = scaled.mean().item(), scaled.std().item()
    said = f"mean {mean:.2f} (0 is right), deviation {size:.2f} (1 is right)"
    hold(abs(mean) < 0.15 and 0.75 < size < 1.25, said)
    return said


def _lets_latents_be_moved(part: Part) -> str:
    """Between two steps, at the signal that they have there, and neither before the first nor after the last."""
    known, seen = model(), []

    def move(latents: Tensor, timestep: int, signal: float) -> Tensor | None:
        seen.append((timestep, signal, latents.clone()))
        return torch.full_like(latents, 0.125) if len(seen) == 1 else None

    asked = _Asked(move)
    start = torch.stack([normal(i, *SHAPE) for i in range(3)]).float()
    fresh = lambda: torch.zeros_like(start)  # noqa: E731
    moved = part.sample(start, asked, known.alphas_cumprod, 9, None, fresh)
    usual = part.sample(start, _Asked(), known.alphas_cumprod, 9, None, fresh)
    wanted = asked.timesteps[1 + part.more_calls :]
    found = [timestep for timestep, _, _ in seen]
    hold(found == wanted, f"latents may be moved at {found}, where {wanted} are wanted")
    for timestep, signal, _ in seen:
        last = len(known.alphas_cumprod) - 1
        near = [float(known.alphas_cumprod[max(min(timestep + by, last), 0)]) for by in (1, -1)]
        hold(near[0] - 1e-6 <= signal <= near[1] + 1e-6, f"a signal of {signal} at timestep {timestep}")
    hold(not torch.equal(moved, usual), "latents that are moved end where others do")
    return f"{len(found)} times in 9 steps"


# ---------------------------------------------------------------- guides


class _Moved(NamedTuple):
    """A prediction, or clean latents, before and after a guide."""

    found: Tensor
    given: Tensor


def _course(part: Part, rows: Sequence[int]) -> Course:
    """Of images by their numbers, which are of one class where the part guides sets."""
    targets, mean = normal(2, 6, *SHAPE).float()[list(rows)], normal(3, 1, *SHAPE).float()
    labels = list(rows) if part.set_size(len(rows)) is None else [1] * len(rows)
    named = part.name_in("discoveries") is not None
    known = (targets if named else None, list(rows), mean.expand_as(targets) if part.reads_means() else None)
    return Course(model().alphas_cumprod, GRID, labels, *known)


def _asked_of(part: Part, term: Term, rows: Sequence[int], timestep: int, level: float | None) -> _Moved:
    """What a term of a guide makes of a prediction, of clean latents, or of latents, for images by their numbers.

    level: the sigma of a sampler, or the deviation of a step, by what the guide acts on.
    """
    latents, given = (normal(seed, 6, *SHAPE).float()[list(rows)] for seed in range(2))
    kept, form = (latents.clone(), given.clone()), part.acts_on()
    if form == "conditional":
        found = term(latents, given, timestep, level)
    elif form == "latents":
        moved = term(latents, timestep, float(model().alphas_cumprod[timestep]))
        found = latents if moved is None else latents + moved
    else:
        moved = term(latents, given, timestep, None if form == "clean" else level or 0.5)
        found = given if moved is None else given + moved
    unchanged = torch.equal(latents, kept[0]) and torch.equal(given, kept[1])
    hold(unchanged, "the latents or the prediction were changed in place")
    return _Moved(found, latents if form == "latents" else given)


def _guided(part: Part, rows: Sequence[int], timestep: int, level: float | None) -> _Moved:
    """The same of all that the part does; for a guide of sets the images are one set."""
    return _asked_of(part, part.term(_course(part, rows)), rows, timestep, level)


def _guided_in_sets(part: Part, sets: Sequence[Sequence[int]], timestep: int, level: float | None) -> _Moved:
    """The same of six images, of which some are in sets."""
    from retort.methods.terms import Terms

    [term] = Terms([part], _course(part, range(6)), sets).arguments().values()
    return _asked_of(part, term, range(6), timestep, level)


def _moments() -> Iterator[tuple[int, float | None]]:
    """Timesteps, by samplers with and without a noise level of their own."""
    for timestep in GRID:
        signal = float(model().alphas_cumprod[timestep])
        yield timestep, None
        yield timestep, ((1 - signal) / signal) ** 0.5


def _corrects_predictions(part: Part) -> str:
    far = []
    for timestep, level in _moments():
        found, given = _guided(part, range(3), timestep, level)
        seen = f"{tuple(found.shape)}, {found.dtype} at timestep {timestep}"
        hold(found.shape == given.shape and found.dtype == given.dtype, seen)
        hold(bool(found.isfinite().all()), f"a prediction that is not finite at timestep {timestep}")
        far.append(farthest(found, given))
    hold(max(far) > 0, "no prediction is changed at any timestep")
    return f"finite, moved by up to {max(far):.2g}"


def _corrects_each_image_by_itself(part: Part) -> str:
    far = 0.0
    for timestep, level in _moments():
        one, other = twice(lambda at=timestep, by=level: _guided(part, range(3), at, by).found)
        hold(torch.equal(one, other), f"the same prediction is corrected in two ways at timestep {timestep}")
        alone = torch.cat([_guided(part, [image], timestep, level).found for image in range(3)])
        far = max(far, (farthest(alone, one) / max(1.0, one.abs().max().item())))
    hold(far < 1e-5, f"the correction of an image differs by {far:.3g} of the largest when it is alone")
    return f"alone and together differ by at most {far:.1g}"


def _corrects_each_set_by_itself(part: Part) -> str:
    """Whatever else is in the batch, in whatever order the images of a set are, and also where it is one image."""
    far, sets = 0.0, [[0, 1, 2], [4], [3, 5]]
    for timestep, level in _moments():
        for images in sets:
            one, other = twice(lambda rows=images, at=timestep, by=level: _guided(part, rows, at, by).found)
            hold(bool(one.isfinite().all()), f"a set of {len(images)} is not finite at timestep {timestep}")
            hold(torch.equal(one, other), f"the same set is corrected in two ways at timestep {timestep}")
            turned = _guided(part, images[::-1], timestep, level).found.flip(0)
            together = _guided_in_sets(part, sets, timestep, level).found[images]
            far = max(far, *(farthest(each, one) / max(1.0, one.abs().max().item()) for each in (turned, together)))
        found, given = _guided_in_sets(part, sets[:2], timestep, level)
        hold(torch.equal(found[[3, 5]], given[[3, 5]]), f"images in no set are changed at timestep {timestep}")
    hold(far < 1e-5, f"a set differs by {far:.3g} of the largest in another order or in the company of another")
    return f"in any order and company they differ by at most {far:.1g}"


def _strengths(part: Part) -> list[str]:
    return [key for key in type(part).model_fields if key == "strength" or key.endswith("_strength")]


def _strength_0_changes_nothing(part: Part) -> str:
    still = part.model_copy(update=dict.fromkeys(_strengths(part), 0.0))
    for timestep, level in _moments():
        found, given = _guided(still, range(3), timestep, level)
        hold(torch.equal(found, given), f"a change of {farthest(found, given):.3g} at timestep {timestep}")
    return "not a bit"


# ---------------------------------------------------------------- refinements


def _refines_each_image_by_itself(part: Part) -> str:
    from retort.data.manifest import ClassEntry

    listed = [ClassEntry(i, f"id{i}", f"name{i}") for i in (0, 2, 1)]
    latents, draws = normal(4, 3, *SHAPE), [(0, "refine", entry.id) for entry in listed]
    kept = latents.clone()

    def refined(images: slice) -> tuple[Tensor, Tensor]:
        found, losses = part.refined(model(), latents[images], listed[images], draws[images], iter)
        return found.detach(), losses.detach()

    (found, losses), (again, _) = twice(lambda: refined(slice(None)))
    shapes = found.shape == latents.shape and losses.shape == (3, part.passes())
    hold(shapes, f"latents {tuple(found.shape)} and losses {tuple(losses.shape)} after {part.passes()} passes")
    hold(bool(found.isfinite().all() and losses.isfinite().all()), "latents or losses that are not finite")
    hold(torch.equal(latents, kept), "the latents were changed in place")
    hold(torch.equal(found, again), "the same latents and draws give two results")
    hold(farthest(found, latents) > 0, "no latent moves")
    alone = [refined(slice(i, i + 1)) for i in range(3)]
    far = max(farthest(torch.cat([one for one, _ in alone]), found), farthest(torch.cat([x for _, x in alone]), losses))
    hold(far < 1e-4, f"an image differs by {far:.3g} when it is refined alone")
    return f"alone and together differ by at most {far:.1g}"


FAMILIES: dict[str, list[Promise]] = {
    "starts": [(Contract("an image starts from its own noise", _starts_from_its_own_noise), always)],
    "samplers": [
        (Contract("it asks the model where its grid says and ends finite", _asks_on_its_grid), always),
        (Contract("an image is the same in any company, and twice", _same_image_in_any_company), always),
        (Contract("samples of a known distribution are of it", _samples_what_the_model_knows), always),
        (Contract("noised data of a distribution stay of it", _goes_on_from_the_noise_it_says), always),
        (
            Contract("latents may be moved before each step but the first", _lets_latents_be_moved),
            lambda part: part.moves_latents,
        ),
    ],
    "guides": [
        (Contract("it corrects predictions and leaves them finite", _corrects_predictions), always),
        (
            Contract("it corrects each image by itself, and twice alike", _corrects_each_image_by_itself),
            lambda part: part.set_size(3) is None,
        ),
        (
            Contract("it corrects each set by itself, in any order, and twice alike", _corrects_each_set_by_itself),
            lambda part: part.set_size(3) is not None,
        ),
        (Contract("strength 0 changes nothing", _strength_0_changes_nothing), _strengths),
    ],
    "refinements": [(Contract("it moves each image by itself, twice alike", _refines_each_image_by_itself), always)],
}
