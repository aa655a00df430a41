"""Training of a teacher on the real training images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from retort.base.devices import pick_device
from retort.base.seeds import derive_seed, numpy_rng
from retort.models.augmentation import augmented_loss
from retort.models.classifiers import build_classifier
from retort.models.fit import fit, warmup_cosine
from retort.models.training_state import Checkpoint


def trained_teacher(
    pixels: np.ndarray,
    labels: np.ndarray,
    arch: str,
    seed_words: Sequence[str | int],
    checkpoint: Checkpoint | None = None,
    *,
    steps: int,
    batch: int,
    lr: float,
    weight_decay: float,
    precision: str = "float32",
    crop: Sequence[float] | None = None,
    **augmentation,
) -> nn.Module:
    """A classifier for pixels (N, h, h, 3) uint8 with labels (N,), trained under random affine maps.

    precision: of autocast. crop and augmentation: the settings of `augmented`.
    """
    device = pick_device()
    torch.manual_seed(derive_seed(*seed_words, "weights"))
    module = build_classifier(arch, int(labels.max()) + 1, pixels.shape[1]).to(
        device, memory_format=torch.channels_last
    )

    def loss_at(step: int) -> Tensor:
        rng = numpy_rng(*seed_words, "batch", step)
        rows = np.sort(rng.integers(len(labels), size=batch))
        return augmented_loss(module, pixels[rows], labels[rows], rng, precision, device, crop=crop, **augmentation)

    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=weight_decay)
    return fit(module, optimizer, loss_at, steps, warmup_cosine(0.05), checkpoint, label="training the teacher").eval()
