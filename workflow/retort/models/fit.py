"""The training loop that everything trained here goes through: seeded by step, resumable, averaged."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from retort.models.health import check_losses, check_weights
from retort.models.training_state import Checkpoint, Training

REMEDY = "lower the learning rate (train.lr)"


def fit(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_at: Callable[[int], Tensor | Iterable[Tensor]],
    steps: int,
    lr_factor: Callable[[float], float],
    checkpoint: Checkpoint | None = None,
    ema: float = 0.0,
    label: str = "training",
) -> nn.Module:
    """Run `steps` optimiser steps and return the module to use: the average of `averaging(ema)` when `ema` > 0.

    loss_at(step) draws the batch of that step, seeded by the step, so that a resumed training goes on exactly as
    an undisturbed one. A loss that is given in parts is their sum; each part is differentiated before the next one is
    asked for, so that only one is in memory. lr_factor maps progress in [0, 1) to a factor on each group's rate. The
    state is saved twenty times over the run, the last time at its end, and whenever it is due; whoever has written
    the result down clears it. Raises RetortError when the loss is not finite, naming the step since which it is, and
    when the last step leaves weights that are not.
    """
    averaged = AveragedModel(module, multi_avg_fn=averaging(ema)) if ema else None
    base_rates = [group["lr"] for group in optimizer.param_groups]
    training = Training(module, optimizer, averaged)
    start = checkpoint.resume(training)[0] if checkpoint else 0
    every = max(1, steps // 20)
    bar, losses = tqdm(range(start, steps), initial=start, total=steps, desc=label, unit="step"), []
    for step in bar:
        for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
            group["lr"] = rate * lr_factor(step / steps)
        optimizer.zero_grad(set_to_none=True)
        loss = _differentiate(loss_at(step))
        optimizer.step()
        if averaged:
            averaged.update_parameters(module)
        losses.append(loss)
        last = step + 1 == steps
        saved = checkpoint and ((step + 1) % every == 0 or last or checkpoint.due())
        if step % 50 == 0 or last or saved:  # a state that is lost must not be resumed
            check_losses(losses, step, label, REMEDY)
            losses.clear()
            bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
        if last:
            check_weights(averaged.module if averaged else module, label, REMEDY)
        if saved:
            checkpoint.save(training, step + 1)
    return averaged.module if averaged else module


def averaging(ema: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """For AveragedModel: a moving average whose decay rises to `ema`, min(ema, (1 + n) / (10 + n)) at its n-th update.

    That is the ramp of TensorFlow's ExponentialMovingAverage. At a constant decay the weights of the first steps would
    keep the share ema^steps, which is most of the average in trainings that are shorter than 1 / (1 - ema) steps.
    """

    @torch.no_grad()
    def update(averages: Sequence[Tensor], currents: Sequence[Tensor], made: Tensor | int) -> None:
        torch._foreach_lerp_(averages, currents, 1 - min(ema, (1 + int(made)) / (10 + int(made))))

    return update


def _differentiate(loss: Tensor | Iterable[Tensor]) -> Tensor:
    """Add the gradients of all parts; the detached loss."""
    total = None
    for part in [loss] if isinstance(loss, Tensor) else loss:
        part.backward()
        total = part.detach() if total is None else total + part.detach()
    return total


def warmup_cosine(warmup: float) -> Callable[[float], float]:
    """Linear from 0 over the share `warmup` of the training, then half a cosine to 0."""

    def factor(progress: float) -> float:
        if progress < warmup:
            return (progress + 1e-3) / (warmup + 1e-3)
        return 0.5 * (1 + torch.cos(torch.tensor(torch.pi * (progress - warmup) / (1 - warmup))).item())

    return factor
