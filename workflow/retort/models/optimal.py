"""The denoiser without any error behind the model interface: the optimal one of the training latents themselves.

It knows every training image by heart, so all that it samples are training images. That is what it is for: a method's
result with it has no error of a network in it.
"""

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn
from tqdm import tqdm

from retort.base.errors import RetortError, some_of
from retort.base.tensors import create_tensors, open_tensors, read_metadata
from retort.data.manifest import ClassEntry
from retort.models.backbone import Backbone
from retort.models.codec import Codec
from retort.models.interface import Condition
from retort.models.posterior_mean import posterior_mean
from retort.models.schedules import read_schedule

LATENTS, SCHEDULER = "latents.safetensors", "scheduler"
ROWS_AT_ONCE = 1024


class Optimal(Backbone):
    """Predicts the posterior mean of the noise, over the latents of a class or, for the null branch, of all classes.

    latents: (n, C, H, W) of each class, scaled, float32, on one device. class_ids: whose they are. The computation is
    in double precision. All images are equally likely, so large classes have more weight in the null branch.
    """

    dtype = torch.float32

    def __init__(self, latents: Sequence[Tensor], class_ids: Sequence[str], alphas_cumprod: Tensor, codec: Codec):
        super().__init__(nn.Identity(), alphas_cumprod, codec)
        self.latent_shape = tuple(latents[0].shape[1:])
        self._images = [found.flatten(1) for found in latents]
        self._rows = {class_id: row for row, class_id in enumerate(class_ids)}

    @classmethod
    def load(cls, directory: str | Path, codec: Codec, device: torch.device) -> "Optimal":
        """From a directory that `save_optimal` wrote. On a CPU the latents stay in their file, which is mapped."""
        path, schedule = Path(directory, LATENTS), read_schedule(Path(directory, SCHEDULER))
        class_ids, arrays = json.loads(read_metadata(path)["classes"]), open_tensors(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing writes into it
            latents = [torch.from_numpy(arrays[class_id]).to(device) for class_id in class_ids]
        return cls(latents, class_ids, schedule.alphas_cumprod, codec)

    @property
    def networks(self) -> list[nn.Module]:
        """No network predicts here."""
        return []

    @property
    def device(self) -> torch.device:
        return self._images[0].device

    def condition(self, classes: Sequence[ClassEntry]) -> Condition:
        return {"row": torch.tensor([self._rows[c.id] for c in classes], device=self.device)}

    def null(self, n: int) -> Condition:
        return {"row": torch.full((n,), len(self._images), device=self.device)}

    def eps(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> Tensor:
        """E[noise | latent], in the dtype of the latents; differentiable in them."""
        signal = self.alphas_cumprod[timesteps.cpu()].sqrt().to(self.device)
        spread = (1 - self.alphas_cumprod[timesteps.cpu()]).sqrt().to(self.device)
        noisy, rows = latents.flatten(1).double(), condition["row"]
        order, means = [], []
        for row in rows.unique().tolist():
            members = (rows == row).nonzero().flatten()
            known = self._images if row == len(self._images) else self._images[row : row + 1]
            means.append(posterior_mean(noisy[members], signal[members], spread[members], known))
            order.append(members)
        mean = torch.cat(means)[torch.cat(order).argsort()]
        return ((noisy - signal[:, None] * mean) / spread[:, None]).view(latents.shape).to(latents.dtype)

    def eps_and_variance(
        self, latents: Tensor, timesteps: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor | None]:
        """It says nothing of the variance."""
        return self.eps(latents, timesteps, condition), None

    def check_classes(self, classes: Sequence[ClassEntry]) -> None:
        """Raises RetortError for classes of which it has no latents."""
        if strange := [c.id for c in classes if c.id not in self._rows]:
            raise RetortError(
                f"the optimal denoiser has no latents of {some_of(strange)}; it is made of those of the data set's "
                "classes, so delete its folder and run again"
            )


def save_optimal(
    directory: Path,
    latents: Callable[[np.ndarray], np.ndarray],
    labels: np.ndarray,
    latent_shape: tuple[int, int, int],
    class_ids: Sequence[str],
) -> None:
    """A directory for `Optimal.load`: all `latents(rows)` (n, C, H, W) by class, and the schedule of DiTs trained here.

    labels: (N,) int, the class in `class_ids` of each row. Some rows are in memory at a time.
    """
    counts = np.bincount(labels, minlength=len(class_ids))
    layout = {c: ((int(n), *latent_shape), "float32") for c, n in zip(class_ids, counts, strict=True)}
    with create_tensors(directory / LATENTS, layout, {"classes": json.dumps(list(class_ids))}) as maps:
        for label, class_id in enumerate(tqdm(class_ids, desc="memorising", unit="class")):
            rows = np.flatnonzero(labels == label)
            for first in range(0, len(rows), ROWS_AT_ONCE):
                part = slice(first, first + ROWS_AT_ONCE)
                maps[class_id][part] = latents(rows[part])
    DDIMScheduler(clip_sample=False).save_pretrained(directory / SCHEDULER)
