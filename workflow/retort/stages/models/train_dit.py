"""Train the diffusion transformer on the latents, and save it as a complete diffusers pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline

from retort.artifacts.latents import LatentShards
from retort.base.errors import RetortError
from retort.base.files import read_json, whole_directory, write_json
from retort.data.imagenet import subset_classes
from retort.data.manifest import read_classes
from retort.models.dit_training import trained_dit
from retort.models.finetune_dit import finetune_dit
from retort.models.training_state import Checkpoint


@dataclass(frozen=True)
class Start:
    """The DiTPipeline directory that a training starts from, and whose classes it knows.

    classes: the name of a list in `retort.data.imagenet`, or "dataset" for the data set's own.
    """

    directory: str
    classes: str = "dataset"

    @classmethod
    def from_rule(cls, start: str | None = None, start_classes: str | None = None) -> "Start | None":
        """From what a rule names, None where a training starts from nothing; see `retort.running.call`."""
        return cls(start, start_classes) if start else None

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


def train_dit(
    latents: Sequence[str],
    class_table: str,
    vae: str,
    model: str,
    checkpoint: Checkpoint,
    *,
    name: str,
    seed: int,
    settings: dict,
    start: Start | None = None,
    micro_batch: int = 0,
    recompute: bool = False,
) -> None:
    """A DiTPipeline directory for the data set's classes, in the order of the class table.

    settings: those of trained_dit, or of finetune_dit where there is a `start`, whose noise schedule is kept and whose
    origin is recorded. micro_batch and recompute save memory and change nothing but rounding.
    """
    settings = {"micro_batch": micro_batch, "recompute": recompute} | settings
    classes = read_classes(class_table)
    ids = [c.id for c in classes]
    shards = LatentShards(latents, ids)
    words = (seed, "dit", name)
    if start:
        known = start.known(ids)
        print(f"{len(known)} of {len(ids)} classes start from their own embedding, the others from the mean")
        training = (shards, shards.labels, shards.shape, ids, words, checkpoint)
        transformer = finetune_dit(start.directory, known, *training, **settings)
        scheduler = DDIMScheduler.from_pretrained(Path(start.directory, "scheduler"), local_files_only=True)
    else:
        transformer = trained_dit(shards, shards.labels, shards.shape, words, checkpoint, **settings)
        scheduler = DDIMScheduler(clip_sample=False)
    names = {c.index: c.name for c in classes}
    pipeline = DiTPipeline(transformer, AutoencoderKL.from_pretrained(vae, low_cpu_mem_usage=False), scheduler, names)
    pipeline.register_to_config(id2label=names)  # diffusers saves the names only when told to
    with whole_directory(model) as scratch:
        pipeline.save_pretrained(scratch, safe_serialization=True)
        if start:
            write_json(scratch / "origin.json", {"name": name, "trained_from": _origin(start.directory)})
    checkpoint.clear()


def _origin(directory: str) -> dict | str:
    """Where a model that was fetched came from."""
    record = Path(directory, "origin.json")
    return read_json(record) if record.exists() else directory
