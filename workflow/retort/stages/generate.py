"""Sample the images of a distilled set for some classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from retort.config.seeds import torch_rng
from retort.data.images import resized
from retort.data.manifest import read_classes
from retort.data.tensors import open_tensors, write_tensors
from retort.errors import RetortError
from retort.methods.ddim import sample
from retort.methods.guidance import guided
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.pixels import to_pixels
from retort.stages.batches import on_grid


@dataclass(frozen=True)
class Sampling:
    """The DDIM grid, the step of it to begin at, and the guidance."""

    steps: int
    first: int
    guidance: float


@torch.inference_mode()
def generate_shard(
    class_table: str,
    starts: str | None,
    output: str,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    sampling: Sampling,
    classes: Sequence[int],
    ipc: int,
    side: int,
    dataset: str,
    seed: int,
    batch: int,
) -> None:
    """pixels (n, side, side, 3) uint8 with class_index and index (n,), for `classes` (consecutive label indices).

    Without `starts` image i of a class starts from noise seeded by class and i, whatever the method, so methods
    that differ elsewhere can be compared on the same noise. Raises RetortError naming the class when latents
    leave the finite numbers.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    chosen = open_tensors(starts) if starts else None

    def start_of(number: int) -> torch.Tensor:
        label, index = divmod(number, ipc)
        if chosen is not None:
            return torch.from_numpy(np.array(chosen["latents"][label, index]))
        return torch.randn(diffusion.latent_shape, generator=torch_rng(seed, "noise", dataset, table[label].id, index))

    first, count = classes[0] * ipc, len(classes) * ipc
    pixels = np.zeros((count, side, side, 3), dtype=np.uint8)
    for numbers in tqdm(list(on_grid(first, count, batch)), desc="sampling", unit="batch"):
        denoise = guided(diffusion, diffusion.condition([table[n // ipc] for n in numbers]), sampling.guidance)
        latents = torch.stack([start_of(n) for n in numbers]).to(diffusion.device)
        latents = sample(latents, denoise, diffusion.alphas_cumprod, sampling.steps, sampling.first)
        if not torch.isfinite(latents).all():
            broken = table[numbers[int((~torch.isfinite(latents)).flatten(1).any(1).int().argmax())] // ipc]
            raise RetortError(
                f"class {broken.id}: sampled latents are not finite; lower guidance, or use dtype: float32"
            )
        for place, square in enumerate(to_pixels(diffusion.decode(latents))):
            if numbers[place] % batch == place:  # else padding, which another place may round differently
                pixels[numbers[place] - first] = resized(square, side)
    numbers = np.arange(first, first + count)
    tensors = {"pixels": pixels, "class_index": numbers // ipc, "index": numbers % ipc}
    if chosen is not None:
        tensors |= {"group": chosen["group"][numbers // ipc], "score": chosen["score"][numbers // ipc]}
    write_tensors(output, tensors)
