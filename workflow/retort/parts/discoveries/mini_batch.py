"""The prototypes of a class are the centres of mini-batch k-means among its latents (D4M, CVPR 2024)."""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Count
from retort.parts.discoveries import Discovery, of_clusters


class MiniBatch(Discovery):
    """The prototypes of a class are the centres of mini-batch k-means, which sees its latents in chunks (D4M)."""

    examples = ({}, {"expand": 2, "rest": "drop"})

    expand: Count = Field(
        1,
        description="A chunk has this many times as many latents as there are prototypes; D4M's command has 1, so that "
        "its first chunk is what the prototypes begin as.",
    )
    rest: Literal["fit", "drop"] = Field(
        "fit",
        description="The latents behind the last whole chunk are treated in this way: fit takes them as a smaller "
        "chunk; drop leaves them out, as D4M's code does for all classes but one.",
    )

    def find(self, latents, image_ids, count, seed):
        import numpy as np

        from retort.methods.modes import minibatch_modes

        rows = latents.reshape(len(latents), -1)
        order = np.random.default_rng(seed).permutation(len(rows))
        centres, labels = minibatch_modes(rows[order], count, self.expand * count, seed, self.rest == "fit")
        return of_clusters(latents, centres, labels, "mini-batch")

    def in_words(self) -> str:
        return "mini-batch k-means centres of latents"
