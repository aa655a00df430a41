"""Encode the training images of some classes, streaming: memory is a batch, whatever the data set."""

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.config.seeds import torch_rng
from retort.data.images import stream_squares
from retort.data.manifest import read_split
from retort.data.tensors import create_tensors
from retort.errors import RetortError
from retort.models.load import CodecFiles, load_codec
from retort.models.pixels import to_images
from retort.stages.batches import in_batches
from retort.stages.latents import latent_layout


@torch.inference_mode()
def encode_shard(
    manifest: str,
    output: str,
    *,
    codec: CodecFiles,
    classes: Sequence[str],
    posterior: str,
    dataset: str,
    seed: int,
    batch: int,
    threads: int,
) -> None:
    """The scaled latents of every training image of `classes`, one float32 tensor per class, ids beside it.

    posterior: "sample" draws from the posterior with a seed per image; "mean" takes its mean. Raises RetortError
    naming the image when a latent is not finite.
    """
    images = read_split(manifest, "train", list(classes))
    model = load_codec(codec)
    by_class = {c: images[images["class_id"] == c] for c in classes}
    layout: dict = {}
    for class_id, rows in by_class.items():
        layout |= latent_layout(class_id, len(rows), model.latent_shape)
    with (
        create_tensors(output, layout, {"classes": str(len(classes))}) as maps,
        tqdm(total=len(images), unit="image") as bar,
    ):
        for class_id, rows in by_class.items():
            bar.set_description(f"encoding {class_id}")
            ids, place = rows["image_id"].tolist(), 0
            maps[f"rows/{class_id}"][:] = rows["row"].to_numpy()
            for squares in in_batches(stream_squares(rows["path"], model.resolution, threads), batch):
                members = ids[place : place + len(squares)]
                draws = [torch_rng(seed, "posterior", dataset, i) for i in members] if posterior == "sample" else None
                latents = model.encode(to_images(np.stack(squares)), draws).cpu().numpy()
                if not np.isfinite(latents).all():
                    broken = members[int((~np.isfinite(latents)).any(axis=(1, 2, 3)).argmax())]
                    raise RetortError(f"the latent of {broken} is not finite; try dtype: float32 for the encoder")
                maps[f"latents/{class_id}"][place : place + len(squares)] = latents
                place += len(squares)
                bar.update(len(squares))
