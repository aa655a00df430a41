"""Train the diffusion transformer on the latents, and save it as a complete diffusers pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline

from retort.base.errors import RetortError
from retort.base.files import read_json, whole_directory, write_json
from retort.data.imagenet import subset_classes
from retort.data.manifest import read_classes
from retort.models.finetune_dit import finetune_dit
from retort.models.train_dit import train_dit
from retort.models.training_state import Checkpoint
from retort.stages.latents import LatentShards


@dataclass(frozen=True)
class Start:
    """The DiTPipeline directory that a training starts from, and whose classes it knows.

    classes: the name of a list in `retort.data.imagenet`, or "dataset" for the data set's own.
    """

    directory: str
    classes: str = "dataset"

    def known(self, class_ids: Sequence[str]) -> dict[str, int]:
        """The label in the checkpoint of each of `class_ids` that it knows.

        "dataset" is taken at its word only where the number of classes fits: it is also what is said of a checkpoint
        of unknown classes. Raises RetortError when a named list is not as long as the checkpoint's.
        """
        count = read_json(Path(self.directory, "transformer", "config.json"))["num_embeds_ada_norm"]
        listed = list(class_ids) if self.classes == "dataset" else subset_classes(self.classes)
        if len(listed) == count:
            return {class_id: label for label, class_id in enumerate(listed) if class_id in set(class_ids)}
        if self.classes == "dataset":
            return {}
        raise RetortError(
            f"{self.directory} has {count} classes, but {self.classes} has {len(listed)}; mend the model's classes"
        )


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
    start: Start | None = None,
) -> None:
    """A DiTPipeline directory for the data set's classes, in the order of the class table.

    settings: those of train_dit, or of finetune_dit where there is a `start`, whose noise schedule is kept and whose
    origin is recorded.
    """
    classes = read_classes(class_table)
    ids = [c.id for c in classes]
    latents = LatentShards(shards, ids)
    words = (seed, "dit", name)
    if start:
        known = start.known(ids)
        print(f"{len(known)} of {len(ids)} classes start from their own embedding, the others from the mean")
        training = (latents, latents.labels, latents.shape, ids, words, checkpoint)
        transformer = finetune_dit(start.directory, known, *training, **settings)
        scheduler = DDIMScheduler.from_pretrained(Path(start.directory, "scheduler"), local_files_only=True)
    else:
        transformer = train_dit(latents, latents.labels, latents.shape, words, checkpoint, **settings)
        scheduler = DDIMScheduler(clip_sample=False)
    names = {c.index: c.name for c in classes}
    pipeline = DiTPipeline(transformer, AutoencoderKL.from_pretrained(vae), scheduler, names)
    pipeline.register_to_config(id2label=names)  # diffusers saves the names only when told to
    with whole_directory(output) as scratch:
        pipeline.save_pretrained(scratch, safe_serialization=True)
        if start:
            write_json(scratch / "origin.json", {"name": name, "trained_from": _origin(start.directory)})
    checkpoint.clear()


def _origin(directory: str) -> dict | str:
    """Where a model that was fetched came from."""
    record = Path(directory, "origin.json")
    return read_json(record) if record.exists() else directory
