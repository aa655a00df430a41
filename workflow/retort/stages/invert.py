"""DDIM inversion of every latent of some classes; only each class's mean and variance are kept."""

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.data.manifest import read_classes
from retort.data.tensors import write_tensors
from retort.errors import RetortError
from retort.methods.ddim import invert
from retort.methods.guidance import guided
from retort.methods.moments import RunningMoments
from retort.models.health import Watched
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.stages.latents import class_latents, finite


@torch.inference_mode()
def invert_shard(
    latents: str,
    class_table: str,
    output: str,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    classes: Sequence[str],
    steps: int,
    stop: int,
    guidance: float,
    batch: int,
) -> None:
    """mean and variance (K, C, H, W) float64 and count (K,) of the inverted latents of `classes`, in that order.

    The variance is unbiased. Raises RetortError naming the class for latents that leave the finite numbers and
    for a class of one image.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    entries = {entry.id: entry for entry in table}
    statistics = []
    shape = diffusion.latent_shape
    with tqdm(total=sum(len(class_latents(latents, c, shape)) for c in classes), unit="image") as bar:
        for class_id in classes:
            bar.set_description(f"inverting {class_id}")
            clean, moments = class_latents(latents, class_id, shape), RunningMoments(shape)
            for first in range(0, len(clean), batch):
                chunk = torch.from_numpy(finite(clean[first : first + batch], latents, class_id)).to(diffusion.device)
                watched = Watched(diffusion, len(chunk))
                denoise = guided(watched, diffusion.condition([entries[class_id]] * len(chunk)), guidance)
                found = invert(chunk, denoise, diffusion.alphas_cumprod, steps, stop).cpu()
                watched.check(found, [class_id] * len(chunk), "inverted latents are", "lower the inversion's guidance")
                moments.add(found.numpy())
                bar.update(len(chunk))
            if moments.count < 2:
                raise RetortError(f"class {class_id} has {moments.count} training image; a variance needs two")
            statistics.append(moments)
    write_tensors(
        output,
        {
            "mean": np.stack([m.mean for m in statistics]),
            "variance": np.stack([m.variance for m in statistics]),
            "count": np.array([m.count for m in statistics]),
        },
    )
