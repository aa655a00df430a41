"""NaN and infinity: found without keeping a device waiting; told with whose they are, since when, and what helps."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from retort.base.errors import RetortError
from retort.models.interface import Condition, LatentDiffusion

REBUILD = "delete the file and run again: it will be rebuilt"

NameOf = str | Callable[[int], str]
"""Who values (N, ...) belong to: all to the same, or row by row."""


class LossLost(RetortError):
    """A training's loss is not finite, from `step` on."""

    def __init__(self, label: str, loss: float, step: int, remedy: str):
        super().__init__(f"{label}: the loss is {loss} at step {step}; {remedy}")
        self.step = step


def first_broken(values: Tensor | np.ndarray) -> int | None:
    """The first row of values (N, ...) that is not finite."""
    finite = np.isfinite(values) if isinstance(values, np.ndarray) else torch.isfinite(values)
    if finite.all():
        return None
    rows = finite.reshape(len(values), -1).all(1)
    return int(np.argmin(rows if isinstance(rows, np.ndarray) else rows.cpu().numpy()))


def of_class(class_ids: Sequence[str]) -> NameOf:
    """Each row that of the class at its place."""
    return lambda row: f"class {class_ids[row]}"


def check_finite(values: Tensor | np.ndarray, name_of: NameOf, what: str, remedy: str) -> None:
    """Raises RetortError when values (N, ...) are not finite, naming whose the first of them is."""
    if (row := first_broken(values)) is not None:
        raise RetortError(f"{name_of if isinstance(name_of, str) else name_of(row)}: {what} not finite; {remedy}")


def check_losses(losses: Sequence[Tensor], last: int, label: str, remedy: str) -> None:
    """Raises LossLost naming the step of the first of these losses, up to that of step `last`, that is not finite.

    This waits for the device, so a training should ask for many steps at once.
    """
    values = torch.stack(list(losses))
    if (row := first_broken(values)) is not None:
        raise LossLost(label, values[row].item(), last - len(losses) + 1 + row, remedy)


def check_weights(module: nn.Module, label: str, remedy: str) -> None:
    """Raises RetortError naming a weight, or a statistic that the module keeps, that is not finite."""
    for name, tensor in module.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise RetortError(f"{label}: {name} is not finite after the last step; {remedy}")


class Watched:
    """A LatentDiffusion that remembers at which of its calls the predictions for which images were not finite.

    Nothing waits for the device until `check` finds something. A call may be of several branches or draws of the same
    `images` images, as guidance stacks them: branch after branch, each of all images. unit: what a call is.
    """

    def __init__(self, model: LatentDiffusion, images: int, unit: str = "step"):
        self._model, self._images, self._unit = model, images, unit
        self._calls: list[tuple[Tensor, Tensor]] = []  # whether finite and at which timestep, (branches, images) each

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def eps(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> Tensor:
        eps = self._model.eps(latents, timesteps, condition)
        self._note(timesteps, eps)
        return eps

    def eps_and_variance(
        self, latents: Tensor, timesteps: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor | None]:
        eps, variance = self._model.eps_and_variance(latents, timesteps, condition)
        self._note(timesteps, eps if variance is None else torch.cat([eps, variance], 1))
        return eps, variance

    def _note(self, timesteps: Tensor, said: Tensor) -> None:
        finite = torch.isfinite(said.detach()).flatten(1).all(1)
        self._calls.append((finite.reshape(-1, self._images), timesteps.reshape(-1, self._images)))

    def check(self, found: Tensor, class_ids: Sequence[str], what: str, tune: str) -> None:
        """Raises RetortError when what was computed with the model, found (N, ...), is not finite for an image.

        It names the class, since when the predictions were not finite, and what helps: `tune`, but where the model went
        wrong before that could matter.
        """
        if (image := first_broken(found)) is not None:
            since, at_once = self._since(image)
            remedies = [] if at_once else [tune]
            if self._model.dtype != torch.float32:
                remedies.append("set its dtype to float32")
            if at_once:
                remedies.append("make or fetch it again, for its weights are corrupt (delete its folder for that)")
            raise RetortError(f"class {class_ids[image]}: {what} not finite{since}; {', or '.join(remedies)}")

    def _since(self, image: int) -> tuple[str, bool]:
        """In words, since when predictions for the image were not finite, and whether it was the first call already."""
        for number, (finite, times) in enumerate(self._calls, start=1):
            if (branch := first_broken(torch.where(finite[:, image], 0.0, torch.nan))) is not None:
                where = f"{self._unit} {number} of {len(self._calls)} on (timestep {int(times[branch, image])})"
                return f", and neither are the model's predictions from {where}", number == 1
        return ", although the model's predictions are", False
