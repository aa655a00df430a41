"""Sample the images of a distilled set, or the pool that it is chosen from, for some classes."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.artifacts.images import image_layout, write_images
from retort.artifacts.kept_classes import KeptBatches
from retort.artifacts.latents import class_mean
from retort.artifacts.representatives import Representatives
from retort.base.batches import Batch, alone_on_grid, sets_on_grid
from retort.base.seeds import derive_seed, torch_rng
from retort.base.tensors import create_tensors, open_tensors
from retort.data.manifest import read_classes
from retort.methods.sampling import Sampling, sample, signal_of
from retort.models.health import REBUILD, Watched, check_finite, of_class
from retort.models.in_parts import in_parts
from retort.models.interface import LatentDiffusion
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.parts.starts import Start


@torch.inference_mode()
def generate_images(
    class_table: str,
    starts: str | None,
    representatives: str | None,
    latents: str | None,
    seeds: str | None,
    seed_latents: str | None,
    real_latents: str | None,
    images: str,
    kept: KeptBatches,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    start: Start,
    sampling: Sampling,
    class_indices: Sequence[int],
    number: int,
    side: int,
    dataset: str,
    seed: int,
    batch: int,
) -> None:
    """latents (n, C, H, W) float32 and pixels (n, side, side, 3) uint8 with class_index and index (n,).

    `class_indices` are consecutive label indices, `number` the images of each. The noise of image i of a class is
    seeded by class and i, whatever the method, so methods that differ elsewhere can be compared on the same noise;
    `starts` holds what `choose_starts` drew instead. With `representatives` and their `latents` image i is guided
    towards the class's i-th, its row in the train split beside it as row (n,); with `seeds` and theirs it starts from
    the i-th of these, noised, its row as seed_row (n,). Guides of sets see the images of a class, or of a part of them,
    at once whatever `batch` is, which then only says of how many the model is asked; of `real_latents`, those of the
    training images, guides may read the mean. What `kept` has of a batch is not sampled again. Raises RetortError
    naming the class when latents leave the finite numbers.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    chosen = open_tensors(starts) if starts else None
    classes = [table[label] for label in class_indices]
    guides = Representatives(representatives, latents, classes) if representatives else None
    origins = Representatives(seeds, seed_latents, classes) if seeds else None
    signal = signal_of(sampling, diffusion.alphas_cumprod)
    means = real_latents and {c.index: class_mean(real_latents, c.id, diffusion.latent_shape) for c in classes}
    first, total = class_indices[0] * number, len(class_indices) * number
    batches = list(_batches(class_indices, number, sampling.set_size(number), batch))
    known = {"group": chosen, "row": guides, "seed_row": origins}
    layout = image_layout(total, diffusion.latent_shape, side)
    layout |= {key: ((total,), "int64") for key, held in known.items() if held is not None}
    layout |= {"score": ((total,), "float64")} if chosen is not None else {}
    with create_tensors(images, layout) as maps:
        for part in tqdm(batches, desc="sampling", unit="batch"):
            numbers, places = part.numbers, {place: part.numbers[place] - first for place in part.kept}
            rows, name = list(places.values()), f"{numbers[0]}-{numbers[-1]}-by-{batch}"
            if (found := kept.tensors(name)) is not None:
                maps["latents"][rows], maps["pixels"][rows] = found["latents"], found["pixels"]
                continue
            members = [(table[n // number], n % number) for n in numbers]
            ids = [c.id for c, _ in members]
            noise = [_noise(diffusion, torch_rng(seed, "noise", dataset, c.id, i)) for c, i in members]
            drawn = [_drawn(chosen, origins, c.index, i) for c, i in members]
            begin = torch.stack([start.begin(*given, signal) for given in zip(noise, drawn, strict=True)])
            check_finite(begin, of_class(ids), f"a latent in {starts} is" if starts else "a start is", REBUILD)
            asked = in_parts(diffusion, len(members), batch)
            watched = Watched(asked, len(members))
            sampled = sample(
                watched,
                diffusion.condition([c for c, _ in members]),
                begin.to(diffusion.device),
                sampling,
                [c.index for c, _ in members],
                guides and _stacked((guides.latent(c.index, i) for c, i in members), diffusion),
                _fresh_noise(diffusion, [torch_rng(seed, "ancestral", dataset, c.id, i) for c, i in members]),
                [derive_seed(seed, "guide", dataset, c.id, i) for c, i in members],
                means and _stacked((means[c.index] for c, _ in members), diffusion),
                part.sets,
            )
            watched.check(sampled, ids, "sampled latents are", "lower the method's guidance")
            write_images(maps, sampled, asked, side, places, ids)
            kept.keep(name, {key: maps[key][rows] for key in ("latents", "pixels")})
        numbers = np.arange(first, first + total)
        maps["class_index"][:], maps["index"][:] = numbers // number, numbers % number
        if chosen is not None:
            maps["group"][:], maps["score"][:] = (chosen[key][numbers // number] for key in ("group", "score"))
        for key in ("row", "seed_row"):
            if shown := known[key]:
                maps[key][:] = [shown.row(n // number, n % number) for n in numbers.tolist()]
    kept.clear()


def _batches(class_indices: Sequence[int], number: int, together: int | None, size: int) -> Iterator[Batch]:
    """Batches of images, by global numbers; of whole sets of `together` images of a class, if not None."""
    if together is None:
        return alone_on_grid(class_indices[0] * number, len(class_indices) * number, size)
    return sets_on_grid(class_indices[0], len(class_indices), number, together, size)


def _stacked(latents: Iterable[np.ndarray], diffusion: LatentDiffusion) -> torch.Tensor:
    """Latents (C, H, W) as one batch, where the model is."""
    return torch.stack(list(map(torch.from_numpy, latents))).to(diffusion.device)


def _drawn(chosen: dict | None, origins: Representatives | None, label: int, index: int) -> torch.Tensor | None:
    """The latent that was drawn for an image of a class, or the one that it starts from; None for neither."""
    if origins:
        return torch.from_numpy(origins.latent(label, index))
    return None if chosen is None else torch.from_numpy(np.array(chosen["latents"][label, index]))


def _noise(diffusion: LatentDiffusion, generator: torch.Generator) -> Callable[[], torch.Tensor]:
    """A source of noise for one image."""
    return lambda: torch.randn(diffusion.latent_shape, generator=generator)


def _fresh_noise(diffusion: LatentDiffusion, generators: Sequence[torch.Generator]) -> Callable[[], torch.Tensor]:
    """A source of noise in which each image draws from its own generator."""
    sources = [_noise(diffusion, generator) for generator in generators]
    return lambda: torch.stack([source() for source in sources]).to(diffusion.device)
