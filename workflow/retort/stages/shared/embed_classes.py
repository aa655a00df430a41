"""Embed the latents of each class where density can be seen (CoDA's UMAP), once for all clusterings and set sizes."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from retort.artifacts.latents import class_latents, finite
from retort.base.errors import RetortError
from retort.base.seeds import derive_seed
from retort.base.tensors import open_tensor, write_tensors
from retort.methods.discovery import embed
from retort.models.health import check_finite


def embed_classes(
    latents: str,
    embedding: str,
    *,
    class_ids: Sequence[str],
    neighbors: int,
    components: int,
    min_dist: float,
    dataset: str,
    seed: int,
) -> None:
    """embedding/ID (n, d) float32 and rows/ID (n,) of the train split, for each class ID."""
    tensors = {}
    for class_id in tqdm(class_ids, desc="embedding", unit="class"):
        features = finite(class_latents(latents, class_id), latents, class_id)
        try:
            found = embed(
                features.reshape(len(features), -1),
                neighbors=neighbors,
                components=components,
                min_dist=min_dist,
                seed=derive_seed(seed, "umap", dataset, class_id) % 2**32,
            )
        except ValueError as error:
            raise RetortError(f"class {class_id}: {error}") from None
        remedy = "raise umap.neighbors: UMAP leaves out what is connected to nothing"
        check_finite(found, f"class {class_id}", "the embedding is", remedy)
        tensors[f"embedding/{class_id}"] = found
        tensors[f"rows/{class_id}"] = np.asarray(open_tensor(latents, f"rows/{class_id}"))
    write_tensors(embedding, tensors)
