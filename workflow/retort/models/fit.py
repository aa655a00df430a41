"""The training loop that everything trained here goes through: seeded by step, resumable, averaged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from retort.data.files import whole_file
from retort.data.tensors import read_metadata
from retort.models.health import check_losses, check_weights

REMEDY = "lower the learning rate (train.lr)"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training may leave its state, and for what: a state left for another `purpose` is not resumed."""

    path: Path
    purpose: str

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


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
    """Run `steps` optimiser steps and return the module to use: the averaged one when `ema` > 0.

    loss_at(step) draws the batch of that step, seeded by the step, so that a resumed training goes on exactly as
    an undisturbed one. A loss that is given in parts is their sum; each part is differentiated before the next one is
    asked for, so that only one is in memory. lr_factor maps progress in [0, 1) to a factor on each group's rate. The
    state is saved twenty times over the run. Raises RetortError when the loss is not finite, naming the step since
    which it is, and when the last step leaves weights that are not.
    """
    averaged = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema else None
    base_rates = [group["lr"] for group in optimizer.param_groups]
    start = _resume(checkpoint, module, optimizer, averaged) if checkpoint else 0
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
        if step % 50 == 0 or step + 1 == steps:
            check_losses(losses, step, label, REMEDY)
            losses.clear()
            bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
        if checkpoint and (step + 1) % every == 0 and step + 1 < steps:
            _save(checkpoint, step + 1, module, optimizer, averaged)
    trained = averaged.module if averaged else module
    check_weights(trained, label, REMEDY)
    return trained


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


def _state(module: nn.Module, optimizer: torch.optim.Optimizer, averaged: nn.Module | None) -> dict[str, Tensor]:
    tensors = {f"module/{k}": v for k, v in module.state_dict().items()}
    if averaged:
        tensors |= {f"average/{k}": v for k, v in averaged.state_dict().items()}
    for i, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{i}/{k}": torch.as_tensor(v) for k, v in entry.items()}
    return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}  # a GPU need not hold it twice


def _save(checkpoint: Checkpoint, step: int, module, optimizer, averaged) -> None:
    with whole_file(checkpoint.path) as scratch:
        metadata = {"purpose": checkpoint.purpose, "step": str(step)}
        save_file(_state(module, optimizer, averaged), scratch, metadata)


def _resume(checkpoint: Checkpoint, module, optimizer, averaged) -> int:
    """Load the state if it was left for the same purpose; the step to go on with."""
    if not checkpoint.path.exists():
        return 0
    metadata = read_metadata(checkpoint.path)
    if metadata.get("purpose") != checkpoint.purpose:
        return 0
    tensors = load_file(checkpoint.path)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    module.load_state_dict(part("module/"))
    if averaged:
        averaged.load_state_dict(part("average/"))
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in part("optimizer/").items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    print(f"resuming from step {metadata['step']} of {checkpoint.path}")
    return int(metadata["step"])
