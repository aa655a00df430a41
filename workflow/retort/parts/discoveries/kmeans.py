"""The modes of a class are the centres of k-means among its latents (MGD3, ICML 2025)."""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Count
from retort.parts.discoveries import Discovery, Found


class Kmeans(Discovery):
    """The modes of a class are as many k-means centres of its latents as images are wanted (MGD3)."""

    examples = ({}, {"centres": "nearest"}, {"pooled": 2})

    centres: Literal["mean", "nearest"] = Field(
        "mean",
        description="A mode is this of its cluster: mean is the mean of the latents, which need not be that of any "
        "image, as in MGD3; nearest is the latent of the real image nearest to it, which MGD3's paper found worse.",
    )
    pooled: Count | None = Field(
        None,
        description="Latents are averaged to this many cells a side before they are clustered, and modes are then "
        "means of the whole latents of a cluster; by default latents are clustered as they are, as in MGD3.",
    )

    def find(self, latents, image_ids, count, seed):
        import numpy as np

        from retort.methods.modes import kmeans_modes, means_of, nearest_rows, pooled

        small = latents if self.pooled is None else pooled(latents, self.pooled)
        centres, labels = kmeans_modes(small.reshape(len(small), -1), count, seed)
        rows = nearest_rows(small.reshape(len(small), -1), centres, distinct=True)
        sizes = np.bincount(labels, minlength=count).tolist()
        if self.centres == "nearest":
            return Found(rows.tolist(), ["k-means"] * count, sizes)
        whole = centres.reshape(count, *latents.shape[1:]) if self.pooled is None else means_of(latents, labels, rows)
        return Found(rows.tolist(), ["k-means"] * count, sizes, whole)

    def in_words(self) -> str:
        which = "k-means centres" if self.centres == "mean" else "the real images nearest to k-means centres"
        return f"{which} of latents" + (f" averaged to {self.pooled} x {self.pooled} cells" if self.pooled else "")
