"""Typicality maps of every training image of some classes (DDPS), as running means: raw losses are never kept."""

from collections.abc import Sequence

import torch
from tqdm import tqdm

from retort.config.seeds import torch_rng
from retort.data.manifest import read_classes
from retort.data.tensors import create_tensors, open_tensor
from retort.methods.typicality import draw_noises, typicality_maps
from retort.models.health import Watched
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.stages.latents import class_latents, finite


@torch.inference_mode()
def score_shard(
    latents: str,
    class_table: str,
    output: str,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    classes: Sequence[str],
    draws: int,
    low: float,
    high: float,
    dataset: str,
    seed: int,
    batch: int,
) -> None:
    """maps/ID (n, h, w) float32 and rows/ID (n,) of the train split, for each class ID.

    The draws of noise and timestep are the same for every image of the data set. Raises RetortError naming the class
    when predictions are not finite.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    entries = {entry.id: entry for entry in table}
    generator = torch_rng(seed, "typicality", dataset)
    noises, times = draw_noises(diffusion.latent_shape, draws, len(diffusion.alphas_cumprod), low, high, generator)
    noises, times = noises.to(diffusion.device), times.to(diffusion.device)
    clean = {c: class_latents(latents, c, diffusion.latent_shape) for c in classes}
    layout = {f"maps/{c}": ((len(z), *diffusion.latent_shape[1:]), "float32") for c, z in clean.items()}
    layout |= {f"rows/{c}": ((len(z),), "int64") for c, z in clean.items()}
    with create_tensors(output, layout) as maps, tqdm(total=sum(map(len, clean.values())), unit="image") as bar:
        for class_id, images in clean.items():
            bar.set_description(f"scoring {class_id}")
            maps[f"rows/{class_id}"][:] = open_tensor(latents, f"rows/{class_id}")
            for first in range(0, len(images), batch):
                chunk = torch.from_numpy(finite(images[first : first + batch], latents, class_id)).to(diffusion.device)
                condition, null = diffusion.condition([entries[class_id]] * len(chunk)), diffusion.null(len(chunk))
                at_once = max(1, batch // len(chunk))  # a class's last images take several draws at a time
                watched = Watched(diffusion, len(chunk), "call")
                found = typicality_maps(watched, chunk, condition, null, noises, times, at_once)
                watched.check(found, [class_id] * len(chunk), "typicality maps are", "draw smaller timesteps (high)")
                maps[f"maps/{class_id}"][first : first + len(chunk)] = found.cpu().numpy()
                bar.update(len(chunk))
