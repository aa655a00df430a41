"""What starts, samplers, guides and refinements promise."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from retort.parts.contracts.base import SHAPE, Contract, Promise, always, farthest, hold, model, normal, twice
from retort.parts.guides import Course
from retort.parts.part import Part

STEPS = 50
GRID = list(range(900, -1, -100))

# ---------------------------------------------------------------- starts and samplers


class _Asked:
    """The exact noise in latents of the model's class 1, at their precision; remembers when it is asked."""

    def __init__(self):
        self.timesteps: list[int] = []

    def __call__(self, latents: Tensor, timestep: int, sigma: float | None = None) -> Tensor:
        self.timesteps.append(int(timestep))
        known = model()
        signal = float(known.alphas_cumprod[timestep]) if sigma is None else 1 / (1 + sigma**2)
        total = signal * known.variance[1] + (1 - signal)
        return ((1 - signal) ** 0.5 * (latents - signal**0.5 * known.mean[1]) / total).to(latents.dtype)

    def with_variance(self, latents: Tensor, timestep: int) -> tuple[Tensor, None]:
        return self(latents, timestep), None


def _starts_from_its_own_noise(part: Part) -> str:
    drawn = normal(5, *SHAPE).float() if part.stage else None

    def begin() -> Tensor:
        own = torch.Generator().manual_seed(3)
        return part.latent(lambda: torch.randn(SHAPE, generator=own), drawn)

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
    for steps, first in ((9, None), (STEPS, None), *(((9, 4),) if part.on_ddim_grid else ())):
        found, asked = _sampled(part, [0, 1, 2], steps, first)
        grid = [int(timestep) for timestep in part.grid(model().alphas_cumprod, steps, first)]
        hold(asked.timesteps == grid, f"grid says {grid}, and the model is asked at {asked.timesteps}")
        hold(grid == sorted(grid, reverse=True), f"{grid} does not descend")
        wanted = steps if first is None else first + 1
        hold(len(grid) == wanted, f"{len(grid)} steps where {wanted} are wanted")
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


def _samples_what_the_model_knows(part: Part) -> str:
    found, _ = _sampled(part, range(32))
    known = model()
    scaled = (found.double() - known.mean[1]) / known.variance[1].sqrt()
    mean, size = scaled.mean().item(), scaled.std().item()
    said = f"mean {mean:.2f} (0 is right), deviation {size:.2f} (1 is right)"
    hold(abs(mean) < 0.15 and 0.75 < size < 1.25, said)
    return said


# ---------------------------------------------------------------- guides


def _pulled(part: Part, images: Sequence[int], timestep: int, sigma: float | None) -> tuple[Tensor, Tensor]:
    """(what a guide makes of the prediction, the prediction) for images by their numbers."""
    rows = list(images)
    latents, predicted, targets = (normal(seed, 3, *SHAPE).float()[rows] for seed in range(3))
    kept = latents.clone(), predicted.clone()
    named = part.name_in("discoveries") is not None
    course = Course(model().alphas_cumprod, GRID, rows, targets if named else None)
    found = part.pull(course)(latents, predicted, timestep, sigma)
    unchanged = torch.equal(latents, kept[0]) and torch.equal(predicted, kept[1])
    hold(unchanged, "the latents or the prediction were changed in place")
    return found, predicted


def _moments() -> Iterator[tuple[int, float | None]]:
    """Timesteps, by samplers with and without a noise level of their own."""
    for timestep in GRID:
        signal = float(model().alphas_cumprod[timestep])
        yield timestep, None
        yield timestep, ((1 - signal) / signal) ** 0.5


def _corrects_predictions(part: Part) -> str:
    moved = []
    for timestep, sigma in _moments():
        found, predicted = _pulled(part, range(3), timestep, sigma)
        given = f"{tuple(found.shape)}, {found.dtype} at timestep {timestep}"
        hold(found.shape == predicted.shape and found.dtype == predicted.dtype, given)
        hold(bool(found.isfinite().all()), f"a prediction that is not finite at timestep {timestep}")
        moved.append(farthest(found, predicted))
    hold(max(moved) > 0, "no prediction is changed at any timestep")
    return f"finite, moved by up to {max(moved):.2g}"


def _corrects_each_image_by_itself(part: Part) -> str:
    far = 0.0
    for timestep, sigma in _moments():
        one, other = twice(lambda at=timestep, by=sigma: _pulled(part, range(3), at, by)[0])
        hold(torch.equal(one, other), f"the same prediction is corrected in two ways at timestep {timestep}")
        alone = torch.cat([_pulled(part, [image], timestep, sigma)[0] for image in range(3)])
        far = max(far, (farthest(alone, one) / max(1.0, one.abs().max().item())))
    hold(far < 1e-5, f"the correction of an image differs by {far:.3g} of the largest when it is alone")
    return f"alone and together differ by at most {far:.1g}"


def _strength_0_changes_nothing(part: Part) -> str:
    still = part.model_copy(update={"strength": 0.0})
    for timestep, sigma in _moments():
        found, predicted = _pulled(still, range(3), timestep, sigma)
        hold(torch.equal(found, predicted), f"a change of {farthest(found, predicted):.3g} at timestep {timestep}")
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
    ],
    "guides": [
        (Contract("it corrects predictions and leaves them finite", _corrects_predictions), always),
        (Contract("it corrects each image by itself, and twice alike", _corrects_each_image_by_itself), always),
        (
            Contract("strength 0 changes nothing", _strength_0_changes_nothing),
            lambda part: "strength" in type(part).model_fields,
        ),
    ],
    "refinements": [(Contract("it moves each image by itself, twice alike", _refines_each_image_by_itself), always)],
}
