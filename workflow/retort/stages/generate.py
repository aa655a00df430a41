"""Sample the images of a distilled set, or the pool that it is chosen from, for some classes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.config.seeds import torch_rng
from retort.data.files import read_rows
from retort.data.images import resized
from retort.data.manifest import ClassEntry, read_classes
from retort.data.tensors import open_tensors, write_tensors
from retort.errors import RetortError
from retort.methods.sampling import Sampling, sample
from retort.models.interface import LatentDiffusion
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.pixels import to_pixels
from retort.stages.batches import kept_places, on_grid
from retort.stages.latents import latents_of_rows


@torch.inference_mode()
def generate_shard(
    class_table: str,
    starts: str | None,
    representatives: str | None,
    latent_shard: str | None,
    output: str,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    sampling: Sampling,
    classes: Sequence[int],
    count: int,
    side: int,
    dataset: str,
    seed: int,
    batch: int,
) -> None:
    """latents (n, C, H, W) float32 and pixels (n, side, side, 3) uint8 with class_index and index (n,).

    `classes` are consecutive label indices, `count` the images of each. Without `starts` image i of a class starts from
    noise seeded by class and i, whatever the method, so methods that differ elsewhere can be compared on the same
    noise. With `representatives` (and the latents of the shard) image i is guided towards the class's i-th. Raises
    RetortError naming the class when latents leave the finite numbers.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    chosen = open_tensors(starts) if starts else None
    targets = _targets(representatives, latent_shard, table, classes) if representatives else None
    first, total = classes[0] * count, len(classes) * count
    latents = np.zeros((total, *diffusion.latent_shape), dtype=np.float32)
    pixels = np.zeros((total, side, side, 3), dtype=np.uint8)
    for numbers in tqdm(list(on_grid(first, total, batch)), desc="sampling", unit="batch"):
        members = [(table[n // count], n % count) for n in numbers]
        start = torch.stack([_start(chosen, diffusion, c, i, dataset, seed) for c, i in members])
        found = sample(
            diffusion,
            diffusion.condition([c for c, _ in members]),
            start.to(diffusion.device),
            sampling,
            None if targets is None else torch.stack([targets[c.index][i] for c, i in members]).to(diffusion.device),
            _fresh_noise(diffusion, [torch_rng(seed, "ancestral", dataset, c.id, i) for c, i in members]),
        )
        check_finite(found, [c.id for c, _ in members], "sampled", "lower guidance")
        decoded = to_pixels(diffusion.decode(found))
        for place in kept_places(numbers, batch):
            latents[numbers[place] - first] = found[place].cpu().numpy()
            pixels[numbers[place] - first] = resized(decoded[place], side)
    numbers = np.arange(first, first + total)
    tensors = {"latents": latents, "pixels": pixels, "class_index": numbers // count, "index": numbers % count}
    if chosen is not None:
        tensors |= {"group": chosen["group"][numbers // count], "score": chosen["score"][numbers // count]}
    write_tensors(output, tensors)


def check_finite(latents: torch.Tensor, class_ids: Sequence[str], what: str, remedy: str) -> None:
    """Raises RetortError naming the class of the first of latents (N, ...) that is not finite."""
    broken = ~torch.isfinite(latents).flatten(1).all(1)
    if broken.any():
        class_id = class_ids[int(broken.int().argmax())]
        raise RetortError(f"class {class_id}: {what} latents are not finite; {remedy}, or use dtype: float32")


def _start(
    chosen: dict | None, diffusion: LatentDiffusion, entry: ClassEntry, index: int, dataset: str, seed: int
) -> torch.Tensor:
    if chosen is not None:
        return torch.from_numpy(np.array(chosen["latents"][entry.index, index]))
    return torch.randn(diffusion.latent_shape, generator=torch_rng(seed, "noise", dataset, entry.id, index))


def _fresh_noise(diffusion: LatentDiffusion, generators: Sequence[torch.Generator]) -> Callable[[], torch.Tensor]:
    """A source of noise in which each image draws from its own generator."""
    shape, device = diffusion.latent_shape, diffusion.device
    return lambda: torch.stack([torch.randn(shape, generator=g) for g in generators]).to(device)


def _targets(
    representatives: str, latent_shard: str, table: Sequence[ClassEntry], classes: Sequence[int]
) -> dict[int, torch.Tensor]:
    """Latents (count, C, H, W) of the representatives of each class, in their order."""
    rows: dict[int, list[int]] = {label: [] for label in classes}
    for row in read_rows(representatives):
        if int(row["class_index"]) in rows:
            rows[int(row["class_index"])].append(int(row["row"]))
    return {k: torch.from_numpy(latents_of_rows(latent_shard, table[k].id, members)) for k, members in rows.items()}
