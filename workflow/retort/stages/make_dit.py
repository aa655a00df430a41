"""Train the diffusion transformer on the latents, and save it as a complete diffusers pipeline."""

from collections.abc import Sequence

from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline

from retort.data.files import whole_directory
from retort.data.manifest import read_classes
from retort.models.fit import Checkpoint
from retort.models.train_dit import train_dit
from retort.stages.latents import LatentShards


def make_dit(
    shards: Sequence[str],
    class_table: str,
    vae: str,
    output: str,
    checkpoint: Checkpoint,
    *,
    name: str,
    seed: int,
    settings: dict,
) -> None:
    """A DiTPipeline directory for the data set's classes, in the order of the class table."""
    classes = read_classes(class_table)
    latents = LatentShards(shards, [c.id for c in classes])
    transformer = train_dit(latents, latents.labels, latents.shape, (seed, "dit", name), checkpoint, **settings)
    names = {c.index: c.name for c in classes}
    pipeline = DiTPipeline(transformer, AutoencoderKL.from_pretrained(vae), DDIMScheduler(clip_sample=False), names)
    pipeline.register_to_config(id2label=names)  # diffusers saves the names only when told to
    with whole_directory(output) as scratch:
        pipeline.save_pretrained(scratch, safe_serialization=True)
    checkpoint.clear()
