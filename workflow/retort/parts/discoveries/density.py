"""Representative real images are found where the images of a class lie densely (CoDA, ICLR 2026)."""

from pydantic import Field

from retort.base.grammar import Count, Strict
from retort.parts.discoveries import Discovery


class Umap(Strict):
    """Density is sought in this embedding, which is shared by discoveries that embed alike."""

    neighbors: int = Field(
        15, ge=2, description="A neighbourhood has this many images; CoDA's default is 15, its demo script has 85."
    )
    components: Count = Field(50, description="The embedding has this many dimensions.")
    min_dist: float = Field(
        0.0, ge=0, description="This is UMAP's min_dist, the least distance between embedded images."
    )


class Hdbscan(Strict):
    """The embedding is clustered by density in this way."""

    min_cluster_size: int = Field(
        5, ge=2, description="A cluster has at least this many images; CoDA's default is 5, its demo script has 55."
    )
    min_samples: Count = Field(3, description="A point with this many neighbours is dense.")


class Density(Discovery):
    """Representative real images of each class are found by density in an encoder's latents (CoDA)."""

    assumed = True
    stages = ("embed_classes", "cluster_classes", "choose_representatives")  # the first two are shared by all counts

    umap: Umap = Field(Umap(), description="This table says how latents are embedded before density is sought.")
    hdbscan: Hdbscan = Field(Hdbscan(), description="This table says how the embedded latents are clustered.")

    def in_words(self) -> str:
        return "real images where the class lies densely"
