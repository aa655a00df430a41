"""Make the optimal denoiser of the training latents: a copy of them and a noise schedule, for nothing is trained."""

from collections.abc import Sequence

from retort.artifacts.latents import LatentShards
from retort.base.files import whole_directory
from retort.data.manifest import read_classes
from retort.models.optimal import save_optimal


def memorise_latents(latents: Sequence[str], class_table: str, model: str) -> None:
    """The directory of an optimal denoiser that knows all latents of the shards, in the order of the class table.

    Raises RetortError for shards that lack a class, and naming the class of a latent that is not finite.
    """
    ids = [entry.id for entry in read_classes(class_table)]
    shards = LatentShards(latents, ids)
    with whole_directory(model) as scratch:
        save_optimal(scratch, shards, shards.labels, shards.shape, ids)
