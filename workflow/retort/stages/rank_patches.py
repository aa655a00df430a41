"""Rank scored patches for diversity."""

from collections.abc import Sequence

import numpy as np
import torch

from retort.config.seeds import derive_seed
from retort.methods.coverage import diverse_ranking
from retort.models.teacher import features_and_logits, load_teacher
from retort.stages.patch_table import BOX, cut_patches, ranked_rows, read_patches, write_patches


class Embedder:
    """Patches (n, side, side, 3) uint8 to features (n, D): an encoder's latents, or a teacher's last layer."""

    def __init__(self, side: int, features):
        self.side, self._features = side, features

    def __call__(self, pixels: np.ndarray, batch: int = 64) -> np.ndarray:
        return np.concatenate([self._features(pixels[i : i + batch]) for i in range(0, len(pixels), batch)])

    @classmethod
    def of_teacher(cls, directory: str, class_ids: Sequence[str], side: int) -> "Embedder":
        judge = load_teacher(directory, class_ids)
        return cls(side, lambda pixels: features_and_logits(judge, pixels)[0].numpy())

    @classmethod
    def of_encoder(cls, codec) -> "Embedder":
        """codec: a CodecFiles. The posterior mean, laid flat."""
        from retort.models.load import load_codec
        from retort.models.pixels import to_images

        model = load_codec(codec)

        def latents(pixels: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return model.encode(to_images(pixels)).flatten(1).cpu().numpy()

        return cls(model.resolution, latents)


def rank_patches(
    scored: str,
    manifest: str,
    embedder: Embedder,
    output: str,
    *,
    classes: Sequence[str],
    clusters: int,
    dataset: str,
    seed: int,
    threads: int,
) -> None:
    """The scored patches in an order whose every beginning is diverse, by clusters of what `embedder` makes of them."""
    patches, rows = read_patches(scored), []
    for class_id in classes:
        members = patches[patches["class_id"] == class_id]
        features = embedder(cut_patches(members, manifest, embedder.side, threads))
        order, cluster = diverse_ranking(
            features, members["score"].to_numpy(), clusters, derive_seed(seed, "patches", dataset, class_id) % 2**31
        )
        ranked = members.iloc[order]
        rows.append(ranked_rows(class_id, ranked, ranked[BOX].to_numpy(), ranked["score"].to_numpy(), cluster[order]))
    write_patches(rows, output)
