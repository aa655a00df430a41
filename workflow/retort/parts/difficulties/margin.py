"""Margin: how close the two likeliest classes are (Coleman et al., ICLR 2020, after Scheffer et al. 2001)."""

from retort.parts.difficulties import AfterTraining


class Margin(AfterTraining):
    """An image is hard where the trained network finds its two likeliest classes nearly equal."""

    def of_logits(self, logits):
        import numpy as np

        from retort.methods.lessons import chances

        second, first = np.partition(chances(logits), -2, axis=1)[:, -2:].T
        return second - first

    def in_words(self) -> str:
        return "the margin between the two likeliest classes"
