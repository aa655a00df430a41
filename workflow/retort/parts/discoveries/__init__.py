"""Discoveries: what stands for a class among the latents of its training images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from retort.parts.part import EncoderName, Part

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Found:
    """What stands for a class, in the order of the images that are guided by it or start from it.

    rows: distinct positions of real images. centres (count, C, H, W) float32: latents that stand for the class in the
    place of those of these images; None where the images do so themselves. origins: a word for each, for people.
    sizes: the images that each one stands for.
    """

    rows: Sequence[int]
    origins: Sequence[str]
    sizes: Sequence[int]
    centres: np.ndarray | None = None


def of_clusters(latents: np.ndarray, centres: np.ndarray, labels: np.ndarray, origin: str) -> Found:
    """Centres (count, D) of clusters of the latents (n, C, H, W), each with the image nearest to it, none twice.

    labels (n,): the cluster of each latent, in any order of the latents.
    """
    import numpy as np

    from retort.methods.modes import nearest_rows

    nearest = nearest_rows(latents.reshape(len(latents), -1), centres, distinct=True)
    sizes = np.bincount(labels, minlength=len(centres))
    origins = [origin] * len(centres)
    return Found(nearest.tolist(), origins, sizes.tolist(), centres.reshape(-1, *latents.shape[1:]))


def mistake_of(found: Found, count: int, shape: tuple[int, ...]) -> str | None:
    """What is wrong with `count` that were found among latents of a shape (n, C, H, W); None where nothing is."""
    if not isinstance(found, Found):
        return f"gives a {type(found).__name__}, where Found(rows, origins, sizes) is wanted"
    rows = list(map(int, found.rows))
    if len(rows) != count or len(set(rows)) != count:
        return f"finds {len(rows)} images, {len(set(rows))} of them different, where {count} different ones are wanted"
    if outside := [row for row in rows if not 0 <= row < shape[0]]:
        return f"finds image {outside[0]} of {shape[0]}, which are numbered from 0"
    if len(found.origins) != count or len(found.sizes) != count:
        return f"has {len(found.origins)} origins and {len(found.sizes)} sizes for {count} images"
    if found.centres is not None and found.centres.shape != (count, *shape[1:]):
        return f"finds latents {found.centres.shape} where {(count, *shape[1:])} are wanted"
    return None


class Discovery(Part):
    """A way to find what stands for a class; guides, starts and selections name a discovery by its name."""

    family = "discoveries"
    stages: ClassVar[tuple[str, ...]] = ("find_representatives",)
    """The stages of the workflow that run it."""

    encoder: EncoderName = Field(description="The latents of this vae model are searched.")

    def find(self, latents: np.ndarray, image_ids: Sequence[str], count: int, seed: int) -> Found:
        """Exactly `count` that stand for a class of n >= count images.

        latents (n, C, H, W): float32, finite, not to be changed. seed: of the class, the same for every count. Raises
        ValueError, with what would be right, where the latents cannot be searched like this.
        """
        raise NotImplementedError


def other_latents(place: str, name: str | None, method: Any, config: Any) -> Iterator[str]:
    """Why a model cannot take the latents of a discovery, in a line that begins with the place of its name."""
    model = method.generate.model
    if name not in config.discoveries or model not in config.backbones():
        return
    found, wanted = config.discoveries[name].encoder, config.models[model].encoder
    if found != wanted:
        yield (
            f"{place}.discovery: {name!r} finds representatives among the latents of {found!r}, but {model!r} works on "
            f"those of {wanted!r}; name a discovery with that encoder"
        )
