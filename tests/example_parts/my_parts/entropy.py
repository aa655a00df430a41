"""A score of patches: how sure a teacher is of any class, without looking at the label."""

import torch

from retort.parts.scores import CropScore

from ._helper import chances


class Entropy(CropScore):
    """The loss of a crop is the entropy of the teacher's prediction in nats; the surest crop of an image is kept."""

    def losses(self, logits, labels):
        return torch.special.entr(chances(logits)).sum(dim=1).float()

    def in_words(self):
        return f"the random crops of which {self.teacher} is surest"
