"""DD-Ranking's scores, which set a distilled set against random real images and against the full data.

Li et al., DD-Ranking: Rethinking the Evaluation of Dataset Distillation (2025). All accuracies are fractions.
"""

import math


def relative(gain: float) -> float:
    """A gain in [-1, 1] on the scale from 0 (the worst there is) to 1: (e^gain - e^-1) / (e - e^-1)."""
    return (math.exp(gain) - math.exp(-1)) / (math.e - math.exp(-1))


def label_robust_score(full_hard: float, distilled_hard: float, distilled: float, random: float) -> float:
    """LRS: what is gained over random images, less what is lost to real data when labels are hard.

    full_hard, distilled_hard: by hard labels; distilled, random: by any one protocol, at the same images per class.
    """
    loss, gain = full_hard - distilled_hard, distilled - random
    return relative(gain / 2 - loss / 2)


def augmentation_robust_score(gain_augmented: float, gain_plain: float) -> float:
    """ARS: the gain over random images, averaged over training with and without augmentation."""
    return relative((gain_augmented + gain_plain) / 2)
