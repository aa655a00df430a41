"""Files of images that were made: latents and pixels side by side, written batch by batch."""

from collections.abc import Sequence

import torch

from retort.base.tensors import Layout
from retort.data.images import resized
from retort.models.health import check_finite, of_class
from retort.models.interface import LatentDiffusion
from retort.models.pixels import to_pixels


def image_layout(total: int, latent_shape: tuple[int, int, int], side: int) -> Layout:
    """The tensors of `total` images that were made: latents, pixels, and whose they are."""
    numbers = dict.fromkeys(("class_index", "index"), ((total,), "int64"))
    return {"latents": ((total, *latent_shape), "float32"), "pixels": ((total, side, side, 3), "uint8")} | numbers


def write_images(
    maps: dict,
    latents: torch.Tensor,
    model: LatentDiffusion,
    side: int,
    places: dict[int, int],
    class_ids: Sequence[str],
) -> None:
    """Decode a batch of latents, of these classes, and write it: `places` says which row each place of it goes to.

    Raises RetortError naming the class of an image that is not finite.
    """
    decoded = model.decode(latents)
    check_decoded(decoded, class_ids)
    pixels = to_pixels(decoded)
    for place, row in places.items():
        maps["latents"][row] = latents[place].cpu().numpy()
        maps["pixels"][row] = resized(pixels[place], side)


def check_decoded(images: torch.Tensor, class_ids: Sequence[str]) -> None:
    """Raises RetortError naming the class of the first of images (N, 3, h, w) that is not finite."""
    remedy = "set the encoder's dtype to float32, or lower what drives latents so far (guidance, refine.lr)"
    check_finite(images, of_class(class_ids), "the image decoded from its latents is", remedy)
