"""Rank scored patches for diversity."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from retort.artifacts.patches import BOX, cut_patches, ranked_rows, read_patches, write_patches
from retort.base.batches import in_batches
from retort.base.errors import RetortError
from retort.base.running import Running
from retort.base.seeds import derive_seed
from retort.data.manifest import read_classes, read_split
from retort.models.health import check_finite
from retort.models.load import CodecFiles, load_codec
from retort.models.pixels import to_images, to_pixels
from retort.models.teacher import features_and_logits, load_teacher
from retort.parts.rankings import Ranking

SPACE = "set the encoder's dtype to float32, or make the encoder or teacher again: delete its folder"


class Embedder:
    """Patches to features (n, D): an encoder's latents, or a teacher's last layer; `batch` patches in memory."""

    def __init__(self, side: int, features: Callable[[np.ndarray], np.ndarray]):
        self.side, self._features = side, features

    def __call__(self, patches: Iterable[torch.Tensor], batch: int) -> np.ndarray:
        """patches: (3, side, side) in [0, 1] each."""
        chunks = (to_pixels(2 * torch.stack(chunk) - 1) for chunk in in_batches(patches, batch))
        return np.concatenate([self._features(chunk) for chunk in chunks])

    @classmethod
    def of_teacher(cls, directory: str, class_ids: Sequence[str], side: int) -> "Embedder":
        judge = load_teacher(directory, class_ids)
        return cls(side, lambda pixels: features_and_logits(judge, pixels)[0].numpy())

    @classmethod
    def of_encoder(cls, codec: CodecFiles) -> "Embedder":
        """The posterior mean, laid flat."""
        model = load_codec(codec)

        def latents(pixels: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return model.encode(to_images(pixels)).flatten(1).cpu().numpy()

        return cls(model.resolution, latents)


def rank_patches(
    scored: str,
    manifest: str,
    class_table: str,
    teacher: str | None,
    encoder: str | None,
    patches: str,
    *,
    space: dict,
    run: Running,
    class_ids: Sequence[str],
    rank: Ranking,
    dataset: str,
    seed: int,
    batch: int,
    threads: int,
) -> None:
    """`rank_by` what a teacher makes of patches of space["side"] pixels, or an encoder whose settings are `space`."""
    if teacher:
        embedder = Embedder.of_teacher(teacher, [entry.id for entry in read_classes(class_table)], space["side"])
    else:
        embedder = Embedder.of_encoder(CodecFiles(encoder, **space, run=run))
    of_draw = {"rank": rank, "dataset": dataset, "seed": seed}
    rank_by(embedder, scored, manifest, patches, class_ids=class_ids, **of_draw, batch=batch, threads=threads)


def rank_by(
    embedder: Embedder,
    scored: str,
    manifest: str,
    patches: str,
    *,
    class_ids: Sequence[str],
    rank: Ranking,
    dataset: str,
    seed: int,
    batch: int,
    threads: int,
) -> None:
    """The scored patches in another order, by what `embedder` makes of them.

    Raises RetortError naming the class in which features are not finite.
    """
    table, rows = read_patches(scored), []
    paths = read_split(manifest, "train", list(class_ids)).set_index("row")["path"]
    by_class = {c: table[table["class_id"] == c] for c in class_ids}
    cut = cut_patches(pd.concat(by_class.values()), paths, embedder.side, threads)
    for class_id, members in tqdm(by_class.items(), desc="ranking", unit="class"):
        features = embedder(islice(cut, len(members)), batch)
        check_finite(features, f"class {class_id}", "what a patch was embedded as is", SPACE)
        ranking_seed = derive_seed(seed, "patches", dataset, class_id) % 2**31
        try:
            order, cluster = rank.order(features, members["score"].to_numpy(), ranking_seed)
        except ValueError as error:
            raise RetortError(f"class {class_id}: {error}") from None
        ranked = members.iloc[order]
        rows.append(ranked_rows(class_id, ranked, ranked[BOX].to_numpy(), ranked["score"].to_numpy(), cluster[order]))
    write_patches(rows, patches)
