"""Training of a teacher on the real training images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retort.base.devices import pick_device
from retort.base.seeds import derive_seed, numpy_rng
from retort.models.augmentation import augmented
from retort.models.classifiers import build_classifier, normalised
from retort.models.fit import fit, warmup_cosine
from retort.models.pixels import to_images
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
    rotate: float,
    scale: float,
    shift: float,
    flip: bool,
    crop: Sequence[float] | None = None,
    precision: str = "float32",
) -> nn.Module:
    """A classifier for pixels (N, h, h, 3) uint8 with labels (N,), trained under random affine maps.

    crop: smallest and largest share of the area of a random resized crop; None for none. precision: of autocast.
    """
    device = pick_device()
    torch.manual_seed(derive_seed(*seed_words, "weights"))
    module = build_classifier(arch, int(labels.max()) + 1, pixels.shape[1]).to(
        device, memory_format=torch.channels_last
    )

    def loss_at(step: int) -> Tensor:
        rng = numpy_rng(*seed_words, "batch", step)
        rows = np.sort(rng.integers(len(labels), size=batch))
        images = augmented(
            to_images(pixels[rows]).to(device), rng, rotate=rotate, scale=scale, shift=shift, flip=flip, crop=crop
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = module(normalised(images))
        return F.cross_entropy(logits.float(), torch.from_numpy(labels[rows]).to(device))

    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=weight_decay)
    return fit(module, optimizer, loss_at, steps, warmup_cosine(0.05), checkpoint, label="training the teacher").eval()
