"""Files of images that were made: latents and pixels side by side, written batch by batch."""

from collections.abc import Sequence

import torch

from retort.data.images import resized
from retort.data.tensors import Layout
from retort.errors import RetortError
from retort.models.interface import LatentDiffusion
from retort.models.pixels import to_pixels


def image_layout(total: int, latent_shape: tuple[int, int, int], side: int) -> Layout:
    """The tensors of `total` images that were made: latents, pixels, and whose they are."""
    numbers = dict.fromkeys(("class_index", "index"), ((total,), "int64"))
    return {"latents": ((total, *latent_shape), "float32"), "pixels": ((total, side, side, 3), "uint8")} | numbers


def write_images(maps: dict, latents: torch.Tensor, model: LatentDiffusion, side: int, places: dict[int, int]) -> None:
    """Decode a batch of latents and write it: `places` says which row each place of the batch goes to."""
    decoded = to_pixels(model.decode(latents))
    for place, row in places.items():
        maps["latents"][row] = latents[place].cpu().numpy()
        maps["pixels"][row] = resized(decoded[place], side)


def check_finite(latents: torch.Tensor, class_ids: Sequence[str], what: str, remedy: str) -> None:
    """Raises RetortError naming the class of the first of latents (N, ...) that is not finite."""
    broken = ~torch.isfinite(latents).flatten(1).all(1)
    if broken.any():
        class_id = class_ids[int(broken.int().argmax())]
        raise RetortError(f"class {class_id}: {what} latents are not finite; {remedy}, or use dtype: float32")
