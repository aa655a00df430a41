"""DDIM inversion of every latent of some classes; only moments of each class are kept."""

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.artifacts.inversions import spread_in, spread_tensors, write_statistics
from retort.artifacts.kept_classes import KeptClasses
from retort.artifacts.latents import class_latents, finite
from retort.base.batches import repeated_to
from retort.base.errors import RetortError
from retort.data.manifest import ClassEntry, read_classes
from retort.methods.ddim import grid_stride, invert
from retort.methods.guidance import Guided
from retort.methods.normality import RunningNormality
from retort.methods.spread import Spread, expected_spread, said_of, spread_of
from retort.models.health import Watched
from retort.models.interface import LatentDiffusion
from retort.models.load import CodecFiles, ModelFiles, load_diffusion

BY_HEART = (
    "these latents were inverted with an optimal denoiser, which knows each of them by heart; starts that are drawn "
    "from their statistics (D3HR) say nothing of what a trained model would make of them"
)


@torch.inference_mode()
def invert_latents(
    latents: str,
    class_table: str,
    statistics: str,
    kept: KeptClasses,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    class_ids: Sequence[str],
    steps: int,
    stop: int,
    guidance: float,
    batch: int,
) -> None:
    """mean and variance (K, C, H, W) float64 and count (K,) of the inverted latents of `class_ids`, in that order.

    The variance is unbiased. Beside them stands how far they spread and how normal they are, which is printed for each
    class, with a warning where it is not as it should be. What `kept` has of a class is not computed again. Raises
    RetortError naming the class for latents that leave the finite numbers and for a class of one image.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    entries, shape = {entry.id: entry for entry in table}, diffusion.latent_shape
    alpha_bar = float(diffusion.alphas_cumprod[stop * grid_stride(diffusion.alphas_cumprod, steps)])
    # A compiled network is compiled again for each other shape, such as that of a class's last batch.
    size, of_classes = batch if model.run.compile else 0, []
    with tqdm(total=sum(len(class_latents(latents, c, shape)) for c in class_ids), unit="image") as bar:
        for class_id in class_ids:
            bar.set_description(f"inverting {class_id}")
            clean = class_latents(latents, class_id, shape)
            found = kept.tensors(class_id)
            if found is None:
                before, moments = RunningNormality(shape), RunningNormality(shape)
                for first in range(0, len(clean), batch):
                    chunk = finite(clean[first : first + batch], latents, class_id)
                    before.add(chunk)
                    moments.add(_inverted(diffusion, chunk, entries[class_id], (steps, stop, guidance), size))
                    bar.update(len(chunk))
                found = _statistics(before, moments, alpha_bar, class_id)
                kept.keep(class_id, found)
            else:
                bar.update(len(clean))
            of_classes.append(found)
    write_statistics(statistics, of_classes)
    kept.clear()
    _say({class_id: spread_in(found) for class_id, found in zip(class_ids, of_classes, strict=True)})
    if model.kind == "optimal":
        print(f"warning: {BY_HEART}")


def _inverted(
    diffusion: LatentDiffusion, latents: np.ndarray, entry: ClassEntry, course: tuple[int, int, float], size: int
) -> np.ndarray:
    """Latents (n, C, H, W) of one class, inverted; course: steps, stop and guidance; size: rows of a call at least."""
    steps, stop, guidance = course
    images = repeated_to(torch.from_numpy(latents).to(diffusion.device), size)
    watched = Watched(diffusion, len(images))
    denoise = Guided(watched, diffusion.condition([entry] * len(images)), guidance)
    found = invert(images, denoise, diffusion.alphas_cumprod, steps, stop).cpu()
    watched.check(found, [entry.id] * len(images), "inverted latents are", "lower the inversion's guidance")
    return found[: len(latents)].numpy()


def _statistics(
    before: RunningNormality, moments: RunningNormality, alpha_bar: float, class_id: str
) -> dict[str, np.ndarray]:
    """Of one class, from its clean and its inverted latents."""
    if moments.count < 2:
        raise RetortError(f"class {class_id} has {moments.count} training image; a variance needs two")
    spread = Spread(
        spread_of(moments.variance),
        expected_spread(before.variance, alpha_bar),
        moments.negentropy,
        before.negentropy,
    )
    found = {"mean": moments.mean, "variance": moments.variance, "count": np.array(moments.count)}
    return found | spread_tensors(spread)


def _say(spreads: dict[str, Spread]) -> None:
    for class_id, spread in spreads.items():
        print(
            f"{class_id}: inverted latents spread by {spread.observed:.3f} where {spread.expected:.3f} is expected; "
            f"negentropy in nats per coordinate {spread.negentropy:.4f}, of clean latents {spread.clean_negentropy:.4f}"
        )
    for sentence in said_of(spreads):
        print(f"warning: {sentence}")
