"""Encode the training images of some classes, streaming: memory is a batch, whatever the data set."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.artifacts.latents import latent_layout
from retort.base.errors import RetortError
from retort.base.seeds import torch_rng
from retort.base.tensors import create_tensors
from retort.data.images import CROP, Fit
from retort.data.manifest import read_split
from retort.data.streams import Awaited, stream_batches
from retort.models.load import CodecFiles, load_codec
from retort.models.pixels import images_on


@torch.inference_mode()
def encode_latents(
    manifest: str,
    latents: str,
    *,
    codec: CodecFiles,
    class_ids: Sequence[str],
    posterior: str,
    dataset: str,
    seed: int | None,
    batch: int,
    threads: int,
    store: str = "float32",
    fit: Fit = CROP,
) -> None:
    """The scaled latents of every training image of `class_ids`, one tensor per class, ids beside it.

    posterior: "sample" draws from the posterior with a seed per image; "mean" takes its mean, and needs no seed.
    store: "float32" or "float16", of the file. fit: how an image becomes square. The log ends with the share of the
    time for which the model waited for images, which more threads make smaller at any resolution. Raises RetortError
    naming the image when a latent is not finite.
    """
    images = read_split(manifest, "train", list(class_ids))
    model = load_codec(codec)
    by_class = {c: images[images["class_id"] == c] for c in class_ids}
    layout: dict = {}
    for class_id, rows in by_class.items():
        layout |= latent_layout(class_id, len(rows), model.latent_shape, store)
    # One stream for all, or each class would start its own readers; batches do not cross classes.
    parts = [rows.iloc[i : i + batch] for rows in by_class.values() for i in range(0, len(rows), batch)]
    paths = [part["path"].tolist() for part in parts]
    with (
        create_tensors(latents, layout, {"classes": str(len(class_ids))}) as maps,
        tqdm(total=len(images), desc="encoding", unit="image") as bar,
    ):
        for class_id, rows in by_class.items():
            maps[f"rows/{class_id}"][:] = rows["row"].to_numpy()
        place = dict.fromkeys(class_ids, 0)
        squares_of = Awaited(stream_batches(paths, model.resolution, threads, fit, pin=model.device.type == "cuda"))
        began = time.perf_counter()
        for part, squares in zip(parts, squares_of, strict=True):
            class_id, members = part["class_id"].iloc[0], part["image_id"].tolist()
            draws = [torch_rng(seed, "posterior", dataset, i) for i in members] if posterior == "sample" else None
            encoded = model.encode(images_on(model.device, squares), draws).cpu().numpy()
            with np.errstate(over="ignore"):  # what float16 cannot hold is found below
                encoded = encoded.astype(store)
            if not np.isfinite(encoded).all():
                broken = members[int((~np.isfinite(encoded)).any(axis=(1, 2, 3)).argmax())]
                raise RetortError(
                    f"the latent of {broken} is not finite; try dtype: float32 (and store: float32) for the encoder"
                )
            maps[f"latents/{class_id}"][place[class_id] : place[class_id] + len(part)] = encoded
            place[class_id] += len(part)
            bar.update(len(part))
    seconds = time.perf_counter() - began
    print(f"waited for images {squares_of.seconds:.1f} s of {seconds:.1f} s, {squares_of.seconds / seconds:.0%}")
