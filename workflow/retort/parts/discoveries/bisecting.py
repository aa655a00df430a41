"""The modes of a class are the leaves of a tree of 2-means among its latents (ManifoldGD, CVPR 2026)."""

from typing import Literal

from pydantic import Field

from retort.parts.discoveries import Discovery, Found


class Bisecting(Discovery):
    """The modes of a class are the leaves of bisecting k-means, as many as images are wanted (ManifoldGD)."""

    examples = ({}, {"widest": "variance"})

    widest: Literal["sum", "variance"] = Field(
        "sum",
        description="The leaf that is halved next is the widest by this: sum is the sum of squared distances to its "
        "mean, variance is the variance of its numbers.",
    )

    def find(self, latents, image_ids, count, seed):
        import numpy as np

        from retort.methods.bisecting import bisecting_modes
        from retort.methods.modes import nearest_rows

        rows = latents.reshape(len(latents), -1)
        centres, labels = bisecting_modes(rows, count, seed, self.widest)
        sizes = np.bincount(labels, minlength=count).tolist()
        nearest = nearest_rows(rows, centres, distinct=True).tolist()
        return Found(nearest, ["bisecting"] * count, sizes, centres.reshape(count, *latents.shape[1:]))

    def in_words(self) -> str:
        return "the leaves of bisecting k-means of latents"
