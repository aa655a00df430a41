"""Random crops, scored by the length of a teacher's gradient (InfoUtil, ICLR 2026, with the statistic of GraNd)."""

from typing import Literal

from pydantic import Field

from retort.base.words import counted
from retort.parts.scores import CropScore


class GradientScore(CropScore):
    """Patches are random square crops, scored by the length of the gradient of their cross-entropy."""

    told_by = "gradient"
    examples = ({"gradient": "last-layer"}, {"gradient": "logits"}, {"gradient": "logits", "keep": "easy"})

    gradient: Literal["last-layer", "logits"] = Field(
        description="The gradient is taken with respect to this: the weights and biases of the teacher's last layer, "
        "as GraNd in DeepCore's code, or its logits, as EL2N."
    )
    keep: Literal["hard", "easy"] = Field(
        "hard", description="The crop with the longest gradient is best, as in InfoUtil, or that with the shortest."
    )

    def sees_features(self) -> bool:
        return self.gradient == "last-layer"

    def losses(self, logits, labels, norms=None):
        import torch

        from retort.methods.lessons import error_length, last_layer_gradient

        given = logits.numpy(), labels.numpy()
        lengths = last_layer_gradient(*given, norms.numpy()) if self.sees_features() else error_length(*given)
        return torch.from_numpy(lengths if self.keep == "easy" else -lengths).float()

    def in_words(self) -> str:
        longest = "longest" if self.keep == "hard" else "shortest"
        return f"the random crops of which {self.teacher} has the {longest} gradient ({self.gradient})"

    def in_full(self, record) -> str:
        longest = "longest" if self.keep == "hard" else "shortest"
        return (
            f"Patches: of {counted(self.crops, 'random crop')} of each of {counted(self.images, 'real image')} a "
            f"class, those with the {longest} gradient of the teacher {self.teacher} ({self.gradient})."
        )
