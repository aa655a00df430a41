"""The modes of a class are the leaves of a tree of 2-means among its latents (ManifoldGD, CVPR 2026)."""

from typing import Literal

from pydantic import Field

from retort.parts.discoveries import Discovery, of_clusters


class Bisecting(Discovery):
    """The modes of a class are the leaves of bisecting k-means, as many as images are wanted (ManifoldGD)."""

    examples = ({}, {"widest": "variance"})

    widest: Literal["sum", "variance"] = Field(
        "sum",
        description="The leaf that is halved next is the widest by this: sum is the sum of squared distances to its "
        "mean, variance is the variance of its numbers.",
    )

    def find(self, latents, image_ids, count, seed):
        from retort.methods.bisecting import bisecting_modes

        centres, labels = bisecting_modes(latents.reshape(len(latents), -1), count, seed, self.widest)
        return of_clusters(latents, centres, labels, "bisecting")

    def in_words(self) -> str:
        return "the leaves of bisecting k-means of latents"
