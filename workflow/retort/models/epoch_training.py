"""Training of a classifier by epochs, each of which sees every image once; the network after each is handed over."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from retort.base.devices import pick_device
from retort.base.seeds import derive_seed, numpy_rng
from retort.models.augmentation import augmented_loss
from retort.models.classifiers import build_classifier
from retort.models.fit import fit, warmup_cosine
from retort.models.training_state import Checkpoint

WARMUP = 0.05  # share of the epochs, as in the training of teachers


def trained_by_epochs(
    pixels: np.ndarray,
    labels: np.ndarray,
    arch: str,
    seed_words: Sequence[str | int],
    hand_over: Callable[[int, nn.Module], None],
    checkpoint: Checkpoint | None = None,
    *,
    epochs: int,
    until: int,
    batch: int,
    lr: float,
    weight_decay: float,
    precision: str = "float32",
    **augmentation,
) -> nn.Module:
    """A classifier for pixels (N, h, h, 3) uint8 with labels (N,), trained for the first `until` of `epochs` epochs.

    hand_over(epoch, network) is called after each epoch, counted from 1, with the network in training mode; after a
    resumed training it may be called again for the last epoch that was handed over before. An epoch has about
    N / batch steps, whose batches differ by one image at most. augmentation: the settings of `augmented`.
    """
    device = pick_device()
    torch.manual_seed(derive_seed(*seed_words, "weights"))
    module = build_classifier(arch, int(labels.max()) + 1, pixels.shape[1])
    module = module.to(device, memory_format=torch.channels_last)
    steps = max(1, round(len(labels) / batch))

    @lru_cache(maxsize=1)
    def batches(epoch: int) -> list[np.ndarray]:
        return np.array_split(numpy_rng(*seed_words, "epoch", epoch).permutation(len(labels)), steps)

    def loss_at(step: int) -> Tensor:
        epoch, place = divmod(step, steps)
        if epoch and not place:
            hand_over(epoch, module)
        rows = np.sort(batches(epoch)[place])
        rng = numpy_rng(*seed_words, "batch", step)
        return augmented_loss(module, pixels[rows], labels[rows], rng, precision, device, **augmentation)

    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=weight_decay)
    whole = warmup_cosine(WARMUP)
    factor = lambda progress: whole(progress * until / epochs)  # noqa: E731
    fit(module, optimizer, loss_at, until * steps, factor, checkpoint, label="training by epochs")
    hand_over(until, module)
    return module.eval()
