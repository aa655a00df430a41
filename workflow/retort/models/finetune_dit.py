"""A DiT that goes on from a checkpoint, on another data set's latents and classes (D3HR's way for small images)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import nn

from retort.base.errors import RetortError
from retort.models.dit import set_timestep_embedding
from retort.models.dit_training import Latents, Recipe, learn
from retort.models.schedules import read_schedule
from retort.models.training_state import Checkpoint
from retort.models.weights import load_weights


def finetune_dit(
    directory: str | Path,
    known: Mapping[str, int],
    latents: Latents,
    labels: np.ndarray,
    latent_shape: tuple[int, int, int],
    class_ids: Sequence[str],
    seed_words: Sequence[str | int],
    checkpoint: Checkpoint | None = None,
    *,
    timestep_embedding: str = "diffusers",
    **recipe,
) -> DiTTransformer2DModel:
    """Train the transformer of a DiTPipeline directory further, on its own noise schedule, in float32.

    latents, labels (into class_ids), seed_words, timestep_embedding and recipe as in `trained_dit`; known: class id ->
    label of the classes that the checkpoint was trained on, as far as they are known (see `replace_classes`). Raises
    RetortError when the latents are not of the shape that it takes, and when it does not predict the noise.
    """
    schedule = read_schedule(Path(directory, "scheduler"))
    if schedule.prediction != "epsilon":
        raise RetortError(f"{directory} predicts {schedule.prediction!r}; start from a DiT that predicts the noise")
    transformer = load_weights(DiTTransformer2DModel, Path(directory, "transformer"), torch.float32)
    takes = (transformer.config.in_channels, *[transformer.config.sample_size] * 2)
    if takes != tuple(latent_shape):
        raise RetortError(
            f"{directory} works on latents {takes}, but those to train it on are {tuple(latent_shape)}; name the "
            "encoder that it was trained with, at the resolution that it was trained at"
        )
    replace_classes(transformer, class_ids, known)
    set_timestep_embedding(transformer, timestep_embedding)
    return learn(transformer, schedule.alphas_cumprod, latents, labels, seed_words, checkpoint, Recipe(**recipe))


@torch.no_grad()
def replace_classes(transformer: DiTTransformer2DModel, class_ids: Sequence[str], known: Mapping[str, int]) -> None:
    """Give every block a table for `class_ids`, and the null class after them, in place of the checkpoint's.

    A class that the checkpoint knows keeps its row, found by its id; any other starts from the mean of the
    checkpoint's classes, which is as good as any of them and in the range that the network understands. The null
    class keeps its row. Raises RetortError for a checkpoint that was trained without a null class, and for labels
    outside of it.
    """
    count = transformer.config.num_embeds_ada_norm
    if strange := [c for c, label in known.items() if not 0 <= label < count]:
        raise RetortError(
            f"the checkpoint has {count} classes, so {strange[0]} cannot be its label {known[strange[0]]}"
        )
    for block in transformer.transformer_blocks:
        embedder = block.norm1.emb.class_embedder
        old = embedder.embedding_table.weight
        if len(old) != count + 1:
            raise RetortError("the checkpoint has no null class; start from one that was trained for guidance")
        mean = old[:-1].mean(dim=0)
        rows = [old[known[c]] if c in known else mean for c in class_ids]
        embedder.embedding_table = nn.Embedding.from_pretrained(torch.stack([*rows, old[-1]]), freeze=False)
        embedder.num_classes = len(class_ids)
    transformer.register_to_config(num_embeds_ada_norm=len(class_ids))
