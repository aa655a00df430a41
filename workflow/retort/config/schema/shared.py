"""Costly stages that methods share by name."""

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import Count, Fraction, Name, Strict


class Inversion(Strict):
    """Every training latent is inverted by DDIM, and the statistics of each class are taken (D3HR)."""

    model: Name = Field(description="This is the diffusion model that inverts the latents.")
    steps: int = Field(
        50, ge=2, le=1000, description="The DDIM grid has this many steps over the model's whole schedule."
    )
    stop: Count = Field(30, description="Statistics are taken at this step; nothing after it is computed.")
    guidance: float = Field(
        4.0, ge=0, description="This is the classifier-free guidance during inversion; D3HR uses 4."
    )

    @model_validator(mode="after")
    def _stops_inside(self):
        if self.stop >= self.steps:
            raise PydanticCustomError(
                "stop", "stop {stop} must be less than steps {steps}", {"stop": self.stop, "steps": self.steps}
            )
        return self


class Dynamics(Strict):
    """A teacher's network is trained by epochs, and what it says of every training image after each is recorded."""

    teacher: Name = Field(
        description="The network and its training are those of this teacher, which must be trained here. An epoch sees "
        "every image once, so the teacher's `steps` are not read."
    )
    epochs: Count = Field(10, description="The whole training, in which the learning rate falls, has this many epochs.")
    until: Count | None = Field(
        None,
        description="Training ends after this many of the epochs, where later ones would not be read; by default after "
        "all of them.",
    )
    runs: Count = Field(
        1, description="So many networks are trained, which differ in their seeds; scores are means over them."
    )

    def recorded(self) -> int:
        """How many epochs are recorded."""
        return self.until or self.epochs

    @model_validator(mode="after")
    def _ends_inside(self):
        if self.recorded() > self.epochs:
            raise PydanticCustomError(
                "until",
                "until {until} must be at most epochs {epochs}",
                {"until": self.until, "epochs": self.epochs},
            )
        return self


class Typicality(Strict):
    """Maps show where an image is typical of its class: where the label helps to predict noise (DDPS)."""

    model: Name = Field(description="This is the diffusion model that predicts noise with and without the label.")
    draws: Count = Field(
        100, description="Each image gets this many draws of noise and timestep, the same for all images."
    )
    low: Fraction = Field(0.1, description="The lowest timestep that is drawn is at this share of the schedule.")
    high: Fraction = Field(0.7, description="The highest timestep that is drawn is at this share of the schedule.")

    @model_validator(mode="after")
    def _ordered(self):
        if not self.low < self.high:
            raise PydanticCustomError("range", "low {low} must be less than high {high}", dict(self))
        return self
