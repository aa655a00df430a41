"""Where a training stands, on disk: saved whole, resumed only for the same purpose, exact to the bit."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.amp import GradScaler

from retort.base.files import whole_file
from retort.base.filesystems import backend_for

SECONDS = 60.0
SHARE = 0.02  # of the time may go into saving


@dataclass(frozen=True)
class Training:
    """All that the steps of a training change; torch's global generators, which dropout draws from, come on top."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    averaged: nn.Module | None = None
    scaler: GradScaler | None = None

    def tensors(self) -> dict[str, Tensor]:
        """On the CPU, because a GPU need not hold them twice."""
        found = self._networks() | {"generator/cpu": torch.get_rng_state()}
        if torch.cuda.is_initialized():
            found["generator/cuda"] = torch.cuda.get_rng_state()
        for i, entry in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer/{i}/{k}": torch.as_tensor(v) for k, v in entry.items()}
        found |= {f"scaler/{k}": torch.tensor(v) for k, v in self._scaling().items()}
        return {k: v.detach().cpu().contiguous() for k, v in found.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go to where `tensors` were taken. Raises ValueError, before anything changes, if that was another network."""
        optimizer = self._optimizer_state(_part(tensors, "optimizer/"))
        networks = {k: v for k, v in tensors.items() if k.startswith(("module/", "average/"))}
        if _kinds(networks) != _kinds(self._networks()) or "generator/cpu" not in tensors:
            raise ValueError("it is of another network")
        scaling = {k: v.item() for k, v in _part(tensors, "scaler/").items()}
        if scaling.keys() != self._scaling().keys():
            raise ValueError("it is of another precision")
        self.module.load_state_dict(_part(networks, "module/"))
        if self.averaged:
            self.averaged.load_state_dict(_part(networks, "average/"))
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": optimizer})
        if scaling:
            self.scaler.load_state_dict(scaling)
        torch.set_rng_state(tensors["generator/cpu"])
        if "generator/cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["generator/cuda"])

    def _scaling(self) -> dict[str, float | int]:
        """How losses are scaled; empty where they are not."""
        return self.scaler.state_dict() if self.scaler else {}

    def _networks(self) -> dict[str, Tensor]:
        found = {f"module/{k}": v for k, v in self.module.state_dict().items()}
        return found | ({f"average/{k}": v for k, v in self.averaged.state_dict().items()} if self.averaged else {})

    def _optimizer_state(self, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
        """Laid out in memory as the parameters are (channels last, say), without which sums may round otherwise."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, name = key.split("/")
            parameter = parameters[int(index)] if int(index) < len(parameters) else None
            if parameter is None or value.shape not in (parameter.shape, ()):
                raise ValueError("its optimiser is another")
            whole = value.shape == parameter.shape and name != "step"
            place = torch.empty_like(parameter, dtype=value.dtype) if whole else torch.empty_like(value)
            state.setdefault(int(index), {})[name] = place.copy_(value)
        return state


class Checkpoint:
    """Where a training may leave its state, and for what: a state left for another `purpose` is not resumed.

    seconds: at least so many pass between two saves that are made because it is `due`.
    """

    def __init__(self, path: Path, purpose: str, seconds: float = SECONDS):
        self.path, self.purpose, self.seconds = path, purpose, seconds
        self._saved, self._took = time.monotonic(), 0.0

    @classmethod
    def from_rule(cls, checkpoint: Path, purpose: str) -> "Checkpoint":
        """From what a rule names; see `retort.running.call`."""
        return cls(checkpoint, purpose)

    def due(self) -> bool:
        """Whether the last save is so long ago that the next one costs little."""
        return time.monotonic() - self._saved >= max(self.seconds, self._took / SHARE)

    def save(self, training: Training, step: int, facts: dict | None = None) -> None:
        """Before step `step`; facts: whatever else must be known to go on, as JSON has it."""
        began = time.monotonic()
        with whole_file(self.path) as scratch:
            metadata = {"purpose": self.purpose, "step": str(step), "facts": json.dumps(facts or {})}
            save_file(training.tensors(), scratch, metadata)
        self._saved = time.monotonic()
        self._took = self._saved - began

    def resume(self, training: Training) -> tuple[int, dict]:
        """Put the training where it was left; the step to resume at, and the facts. (0, {}) where nothing was left.

        A state that is corrupt is put aside, which a line says.
        """
        self._saved = time.monotonic()
        if not self.path.exists():
            return 0, {}
        try:
            with safe_open(self.path, "pt", backend=backend_for(self.path)) as file:
                metadata = file.metadata() or {}
                if metadata.get("purpose") != self.purpose:
                    return 0, {}
                step, facts = int(metadata["step"]), json.loads(metadata["facts"])
            training.load(load_file(self.path, backend=backend_for(self.path)))
        except (SafetensorError, ValueError, KeyError) as error:
            put_aside(self.path, error)
            return 0, {}
        print(f"resuming from step {step} of {self.path}")
        return step, facts

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        _aside(self.path).unlink(missing_ok=True)


def put_aside(path: Path, why: Exception) -> None:
    """Keep what cannot be resumed from, for whoever wants to look at it, until the job is done."""
    path.replace(_aside(path))
    print(f"{path} cannot be resumed from, so this starts again, and it is kept as {_aside(path).name}: {why}")


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, tuple]:
    return {k: (v.shape, v.dtype) for k, v in tensors.items()}
