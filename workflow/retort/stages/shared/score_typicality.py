"""Typicality maps of every training image of some classes (DDPS), as running means: raw losses are never kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from retort.artifacts.kept_classes import KeptClasses
from retort.artifacts.latents import class_latents, finite
from retort.base.batches import repeated_to
from retort.base.seeds import torch_rng
from retort.base.tensors import create_tensors, open_tensor
from retort.data.manifest import ClassEntry, read_classes
from retort.methods.typicality import draw_noises, typicality_maps
from retort.models.health import Watched
from retort.models.interface import LatentDiffusion
from retort.models.load import CodecFiles, ModelFiles, load_diffusion


@dataclass(frozen=True)
class Draws:
    """noises (M, C, H, W) and times (M,) that every image is scored by, and how many images at once.

    one_shape: every call has the same shape, whatever is left of a class; a compiled network is compiled again for each
    other one.
    """

    noises: Tensor
    times: Tensor
    batch: int
    one_shape: bool


@torch.inference_mode()
def score_typicality(
    latents: str,
    class_table: str,
    maps: str,
    kept: KeptClasses,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    class_ids: Sequence[str],
    draws: int,
    low: float,
    high: float,
    dataset: str,
    seed: int,
    batch: int,
) -> None:
    """maps/ID (n, h, w) float32 and rows/ID (n,) of the train split, for each class ID.

    The draws of noise and timestep are the same for every image of the data set. What `kept` has of a class is not
    computed again. Raises RetortError naming the class when predictions are not finite.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    entries = {entry.id: entry for entry in table}
    generator = torch_rng(seed, "typicality", dataset)
    noises, times = draw_noises(diffusion.latent_shape, draws, len(diffusion.alphas_cumprod), low, high, generator)
    draw = Draws(noises.to(diffusion.device), times.to(diffusion.device), batch, model.run.compile)
    clean = {c: class_latents(latents, c, diffusion.latent_shape) for c in class_ids}
    layout = {f"maps/{c}": ((len(z), *diffusion.latent_shape[1:]), "float32") for c, z in clean.items()}
    layout |= {f"rows/{c}": ((len(z),), "int64") for c, z in clean.items()}
    with create_tensors(maps, layout) as written, tqdm(total=sum(map(len, clean.values())), unit="image") as bar:
        for class_id, images in clean.items():
            bar.set_description(f"scoring {class_id}")
            written[f"rows/{class_id}"][:] = open_tensor(latents, f"rows/{class_id}")
            found = written[f"maps/{class_id}"]
            if done := kept.tensors(class_id):
                found[:] = done["maps"]
                bar.update(len(images))
                continue
            for first in range(0, len(images), batch):
                chunk = finite(images[first : first + batch], latents, class_id)
                found[first : first + len(chunk)] = _scored(diffusion, chunk, entries[class_id], draw)
                bar.update(len(chunk))
            kept.keep(class_id, {"maps": found})
    kept.clear()


def _scored(diffusion: LatentDiffusion, latents: np.ndarray, entry: ClassEntry, draw: Draws) -> np.ndarray:
    """The maps (n, h, w) of latents (n, C, H, W), at most a batch, of one class."""
    images = torch.from_numpy(latents).to(diffusion.device)
    if draw.one_shape:
        images = repeated_to(images, draw.batch)
    at_once = max(1, draw.batch // len(images))  # a class's last images take several draws at a time
    watched = Watched(diffusion, len(images), "call")
    condition, null = diffusion.condition([entry] * len(images)), diffusion.null(len(images))
    found = typicality_maps(watched, images, condition, null, draw.noises, draw.times, at_once)
    watched.check(found, [entry.id] * len(images), "typicality maps are", "draw smaller timesteps (high)")
    return found[: len(latents)].cpu().numpy()
