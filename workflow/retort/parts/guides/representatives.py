"""Each image is drawn towards the latent of a real representative of its class (CoDA, ICLR 2026)."""

from pydantic import Field

from retort.base.grammar import Fraction
from retort.parts.guides import Guide
from retort.parts.part import DiscoveryName


class Representatives(Guide):
    """Each image is drawn towards the latent of a real representative while it is sampled (CoDA)."""

    told_by = "discovery"
    assumed = True

    discovery: DiscoveryName = Field(description="The representatives are those of this discovery.")
    strength: float = Field(
        0.05, ge=0, description="This is gamma, which CFG multiplies; CoDA's demo has 0.05, and it uses up to 0.1."
    )
    until: Fraction = Field(0.9, description="This share of the steps is guided; the last step never is.")

    def pull(self, course):
        from retort.methods.representative import pull_towards, stop_timestep

        stop_at = stop_timestep(course.timesteps, self.until)
        return pull_towards(course.targets, course.alphas_cumprod, self.strength, stop_at)

    def in_words(self) -> str:
        return f"drawn towards real representatives ({self.discovery}) with strength {self.strength:g}"

    def in_full(self, record) -> str:
        return (
            f"Each image was drawn towards a real representative that the discovery {self.discovery} found "
            f"(strength {self.strength:g}, first {self.until:.0%} of the steps)."
        )
