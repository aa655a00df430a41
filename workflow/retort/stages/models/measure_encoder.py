"""How well an encoder from elsewhere reconstructs the data set, measured as one that is trained here is."""

import math

import numpy as np
import torch

from retort.artifacts.pixels import open_split
from retort.base.errors import RetortError
from retort.base.files import write_json
from retort.models.load import CodecFiles, load_codec
from retort.models.vae_training import psnr

IMAGES = 1000  # at most, evenly over the split: more change the second decimal


@torch.inference_mode()
def measure_encoder(val: str, quality: str, *, codec: CodecFiles, name: str) -> None:
    """JSON of model, kind, measure and value: PSNR in dB of validation images, encoded to the mean and decoded.

    The split has images of the encoder's side. Raises RetortError when the value is not finite.
    """
    pixels = open_split(val)[0]
    rows = np.linspace(0, len(pixels) - 1, min(IMAGES, len(pixels))).astype(int)
    value = float(psnr(load_codec(codec).vae, np.asarray(pixels[rows])))
    if not math.isfinite(value):
        raise RetortError(
            f"models.{name}: its PSNR on the validation images is {value}; take another model, or dtype: float32 for it"
        )
    seen = "validation" if len(rows) == len(pixels) else f"{len(rows)} validation images"
    write_json(quality, {"model": name, "kind": "vae", "measure": f"PSNR in dB, {seen}", "value": value})
    print(f"{name}: {value:.1f} dB PSNR on {len(rows)} validation images")
