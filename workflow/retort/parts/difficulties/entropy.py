"""Entropy: how uncertain a trained network is (Coleman et al., ICLR 2020, after Shannon 1948)."""

from retort.parts.difficulties import AfterTraining


class Entropy(AfterTraining):
    """An image is hard where the trained network's probabilities have a high entropy, in nats."""

    def of_logits(self, logits):
        from scipy.special import entr

        from retort.methods.lessons import chances

        return entr(chances(logits)).sum(axis=1)

    def in_words(self) -> str:
        return "the entropy of the prediction"
