"""Each image is drawn towards a latent of its class: a real latent (CoDA, ICLR 2026) or a mode (MGD3, ICML 2025)."""

from pydantic import Field

from retort.base.grammar import Fraction
from retort.parts.guides import Form, Guide
from retort.parts.part import DiscoveryName


class Representatives(Guide):
    """Each image is drawn towards a latent that stands for its class while it is sampled (CoDA, MGD3)."""

    told_by = "discovery"
    assumed = True
    examples = ({}, {"form": "posterior"}, {"form": "clean", "until": 0.5})

    discovery: DiscoveryName = Field(description="The images are drawn towards what this discovery finds.")
    form: Form = Field(
        "conditional",
        description="This is what moves: conditional is the conditional prediction, before CFG multiplies it, as CoDA "
        "does it; posterior is the mean of each random step, by its deviation, after CFG, as MGD3 does it, and goes "
        "with samplers that add noise; clean is the clean latent that the prediction implies, after CFG, on any one.",
    )
    strength: float = Field(
        0.05,
        ge=0,
        description="This is CoDA's gamma, which CFG multiplies (its demo has 0.05, and it uses up to 0.1), or MGD3's "
        "lambda (0.1).",
    )
    until: Fraction = Field(
        0.9,
        description="This share of the steps is guided, as each paper's code counts: the last step never is, and "
        "MGD3's stop at step 25 of 50 is 0.5, for which its code guides 24 steps.",
    )

    def acts_on(self):
        return self.form

    def pull(self, course):
        from retort.methods.representative import pull_towards, stop_timestep

        stop_at = stop_timestep(course.timesteps, self.until)
        return pull_towards(course.targets, course.alphas_cumprod, self.strength, stop_at)

    def shift(self, course):
        from retort.methods.mode_guidance import last_guided, shift_towards

        return shift_towards(course.targets, self.strength, last_guided(course.timesteps, self.until))

    def in_words(self) -> str:
        towards = {"conditional": "real representatives", "posterior": "modes", "clean": "modes"}[self.form]
        how = {"conditional": "", "posterior": " by the posterior mean", "clean": " by the clean latent"}[self.form]
        return f"drawn towards {towards} ({self.discovery}){how} with strength {self.strength:g}"

    def in_full(self, record) -> str:
        what = "a real representative" if self.form == "conditional" else "a latent that stands for its class"
        how = "" if self.form == "conditional" else f"; the {self.form} form, after CFG"
        return (
            f"Each image was drawn towards {what} that the discovery {self.discovery} found "
            f"(strength {self.strength:g}, first {self.until:.0%} of the steps{how})."
        )
