"""Train the image encoder and record how well it reconstructs."""

import math

from retort.artifacts.pixels import open_split
from retort.base.errors import RetortError
from retort.base.files import whole_directory, write_json
from retort.models.training_state import Checkpoint
from retort.models.vae_training import psnr, trained_vae


def train_vae(
    train: str, val: str, model: str, checkpoint: Checkpoint, *, name: str, seed: int, settings: dict
) -> None:
    """An AutoencoderKL directory, with quality.json: PSNR in dB on the validation images.

    Raises RetortError when that is not finite.
    """
    vae = trained_vae(open_split(train)[0], (seed, "vae", name), checkpoint, **settings)
    quality = {
        "model": name,
        "kind": "vae",
        "measure": "PSNR in dB, validation",
        "value": psnr(vae, open_split(val)[0]),
    }
    if not math.isfinite(quality["value"]):
        raise RetortError(f"{name}: its PSNR on the validation images is {quality['value']}; lower its train.lr")
    with whole_directory(model) as scratch:
        vae.save_pretrained(scratch, safe_serialization=True)
        write_json(scratch / "quality.json", quality)
    checkpoint.clear()
    print(f"{name}: {quality['value']:.1f} dB PSNR on the validation images")
