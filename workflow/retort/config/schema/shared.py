"""Costly stages that methods share by name."""

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retort.config.schema.grammar import Count, Fraction, Name, Strict


class Inversion(Strict):
    """DDIM inversion of every training latent, and its class statistics (D3HR)."""

    model: Name
    steps: int = Field(50, ge=2, le=1000, description="DDIM grid over the model's whole schedule.")
    stop: Count = Field(30, description="Step at which the statistics are taken; nothing after it is computed.")
    guidance: float = Field(4.0, ge=0, description="Classifier-free guidance during inversion; D3HR uses 4.")

    @model_validator(mode="after")
    def _stops_inside(self):
        if self.stop >= self.steps:
            raise PydanticCustomError(
                "stop", "stop {stop} must be less than steps {steps}", {"stop": self.stop, "steps": self.steps}
            )
        return self


class Umap(Strict):
    """The embedding in which density is sought; shared by discoveries that embed alike."""

    neighbors: int = Field(15, ge=2, description="Neighbourhood size: 15 by default in CoDA, 85 in its demo script.")
    components: Count = Field(50, description="Dimensions of the embedding.")
    min_dist: float = Field(0.0, ge=0, description="UMAP's min_dist.")


class Hdbscan(Strict):
    """Density clustering of the embedding."""

    min_cluster_size: int = Field(5, ge=2, description="5 by default in CoDA, 55 in its demo script.")
    min_samples: Count = Field(3, description="Neighbours that make a point dense.")


class Discovery(Strict):
    """Representative real images of each class by density in an encoder's latents (CoDA)."""

    encoder: Name = Field(description="The vae model whose latents are searched.")
    umap: Umap = Umap()
    hdbscan: Hdbscan = Hdbscan()


class Typicality(Strict):
    """Maps of where an image is typical of its class: the gain of the label in predicting noise (DDPS)."""

    model: Name
    draws: Count = Field(100, description="Draws of noise and timestep per image, the same for all images.")
    low: Fraction = Field(0.1, description="Timesteps are drawn from this share of the schedule on,")
    high: Fraction = Field(0.7, description="up to this one.")

    @model_validator(mode="after")
    def _ordered(self):
        if not self.low < self.high:
            raise PydanticCustomError("range", "low {low} must be less than high {high}", dict(self))
        return self
