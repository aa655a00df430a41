"""What Minimax adds to the training of a DiT: losses by memories of a class's latents (Gu et al., CVPR 2024)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from retort.models.training_state import Checkpoint, Training

HALF_BIN = 1 / 255  # of the bound on the variance at timestep 0, which its code has from models of pixels
REAL, PREDICTED = "memory/real/", "memory/predicted/"


@dataclass(frozen=True)
class Weights:
    """represent: of 1 - the least cosine to real latents; diverse: of the largest cosine to predictions.

    sparse: of the mean absolute value of predictions. memory: how many latents of each kind a class remembers.
    """

    represent: float = 0.002
    diverse: float = 0.008
    sparse: float = 0.0
    memory: int = 64


@dataclass
class Memories:
    """The newest latents of each class (n, C, H, W), oldest first: real ones, and clean ones that were predicted."""

    size: int
    real: dict[int, Tensor] = field(default_factory=dict)
    predicted: dict[int, Tensor] = field(default_factory=dict)

    def add(self, clean: Tensor, predicted: Tensor, labels: Tensor) -> None:
        """Remember a batch of clean latents and their predictions (N, C, H, W) of classes (N,), in its order."""
        for label in labels.unique().tolist():
            for held, seen in ((self.real, clean), (self.predicted, predicted)):
                new = seen.detach()[labels == label]
                held[label] = torch.cat([held[label], new] if label in held else [new])[-self.size :].clone()

    def tensors(self) -> dict[str, Tensor]:
        """All of it, on the CPU, for a checkpoint."""
        kinds = ((REAL, self.real), (PREDICTED, self.predicted))
        return {f"{kind}{label}": latents.cpu() for kind, held in kinds for label, latents in held.items()}

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """What `tensors` gave."""
        for kind, held in ((REAL, self.real), (PREDICTED, self.predicted)):
            names = (name for name in tensors if name.startswith(kind))
            held.clear()
            held.update({int(name.removeprefix(kind)): tensors[name].to(device) for name in names})


def cosines(rows: Tensor, others: Tensor) -> Tensor:
    """(n, m) cosines of latents (n, C, H, W) and (m, C, H, W), laid flat."""
    rows, others = rows.flatten(1), others.flatten(1)
    return (rows @ others.T) / (rows.norm(dim=1)[:, None] * others.norm(dim=1)[None])


def memory_losses(predicted: Tensor, labels: Tensor, memories: Memories) -> tuple[Tensor, Tensor]:
    """How far predictions (N, C, H, W) of classes (N,) are from real latents, and how like earlier ones; scalars.

    For each class in the batch, by one pair each: 1 - the least cosine of one of its predictions to a real latent in
    memory, and the largest cosine to a prediction in memory. Both are sums over classes divided by the number of
    classes in the batch; a class without a memory counts in that number and adds nothing.
    """
    far, alike = [predicted.new_zeros(())], [predicted.new_zeros(())]
    classes = labels.unique().tolist()
    for label in classes:
        if label in memories.real:
            own = predicted[labels == label]
            far.append(1 - cosines(own, memories.real[label]).min())
            alike.append(cosines(own, memories.predicted[label]).max())
    return torch.stack(far).sum() / len(classes), torch.stack(alike).sum() / len(classes)


@dataclass
class Minimax:
    """The losses that are added to a batch's, and what is remembered after it."""

    weights: Weights
    memories: Memories

    @classmethod
    def of(cls, weights: Weights) -> "Minimax":
        return cls(weights, Memories(weights.memory))

    def penalty(self, clean: Tensor, predicted: Tensor, labels: Tensor) -> Tensor:
        """A scalar, for clean latents and the clean latents that are predicted of them (N, C, H, W), classes (N,).

        The batch is remembered afterwards, so that no image is compared with itself or with others of its batch.
        """
        far, alike = memory_losses(predicted, labels, self.memories)
        self.memories.add(clean, predicted, labels)
        return (
            self.weights.represent * far + self.weights.diverse * alike + self.weights.sparse * predicted.abs().mean()
        )


def clean_latents(noisy: Tensor, eps: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """What latents (N, C, H, W) at noise levels alphas_cumprod (N,) are without the noise eps; not clipped."""
    alpha = alphas_cumprod.to(noisy).view(-1, 1, 1, 1)
    return (1 / alpha).sqrt() * noisy - (1 / alpha - 1).sqrt() * eps


class CheckpointWithMemories(Checkpoint):
    """A checkpoint in which the memories stand beside the training, so that it is resumed to the bit."""

    def __init__(self, checkpoint: Checkpoint, memories: Memories, device: torch.device):
        super().__init__(checkpoint.path, checkpoint.purpose, checkpoint.seconds)
        self._memories, self._device = memories, device

    def save(self, training: Training, step: int, facts: dict | None = None) -> None:
        super().save(_Beside(training, self._memories, self._device), step, facts)

    def resume(self, training: Training) -> tuple[int, dict]:
        return super().resume(_Beside(training, self._memories, self._device))


@dataclass(frozen=True)
class _Beside:
    """A training and memories, as a checkpoint takes a training."""

    training: Training
    memories: Memories
    device: torch.device

    def tensors(self) -> dict[str, Tensor]:
        return self.training.tensors() | self.memories.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        own = {name for name in tensors if name.startswith((REAL, PREDICTED))}
        self.training.load({name: tensor for name, tensor in tensors.items() if name not in own})
        self.memories.load({name: tensors[name] for name in own}, self.device)
