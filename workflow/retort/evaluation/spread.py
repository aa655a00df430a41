"""What several values of one accuracy say: how far to trust their mean, and the difference of two.

All accuracies of a call are in one unit, and results are in the same one.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as students_t

COLLAPSED = 0.75  # of the median: a student below is another kind of outcome, and no draw around the same mean


def collapsed(values: Sequence[float]) -> int:
    """How many of the values lie below `COLLAPSED` of their median: trainings that failed, and not only fell short."""
    values = np.asarray(values, dtype=float)
    return int((values < COLLAPSED * np.median(values)).sum())


def paired_test(differences: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """(low, high, p): the interval of the mean of paired differences by Student's t, and p of its two-sided test.

    All are not a number for fewer than two differences, and where they are all equal: they have no spread to judge by.
    """
    found = np.asarray(differences, dtype=float)
    if len(found) < 2 or np.ptp(found) <= 1e-9 * max(1.0, np.abs(found).max()):
        return (float("nan"),) * 3
    error = found.std(ddof=1) / np.sqrt(len(found))
    reach = students_t.ppf((1 + level) / 2, len(found) - 1) * error
    p = 2 * students_t.sf(abs(found.mean()) / error, len(found) - 1)
    return float(found.mean() - reach), float(found.mean() + reach), float(p)


def components(sets: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Standard deviations (between sets, within a set) of values that are grouped by their set.

    By the analysis of variance of random effects, also for sets of unequal size (Searle, Casella and McCulloch 1992,
    section 3.6), where a negative variance counts as 0. Between is of the sets' true means: what students scatter is
    taken out of it. Not a number: within, where no set has two values; between, there and for a single set.
    """
    groups = [np.asarray(values, dtype=float) for values in sets]
    sizes, count = np.array([len(group) for group in groups]), len(groups)
    total = sizes.sum()
    if total <= count:
        return float("nan"), float("nan")
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / (total - count)
    if count < 2:
        return float("nan"), float(np.sqrt(within))
    grand = np.concatenate(groups).mean()
    among = sum(len(group) * (group.mean() - grand) ** 2 for group in groups) / (count - 1)
    size = (total - (sizes**2).sum() / total) / (count - 1)
    return float(np.sqrt(max(0.0, (among - within) / size))), float(np.sqrt(within))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number by Holm's step-down method (Holm 1979, Scand. J. Statist. 6, 65-70).

    Below a level, they are wrong in any of them with a probability of at most that level, however they depend on each
    other. Those that are not a number are not counted, and stay so.
    """
    given = np.asarray(p_values, dtype=float)
    corrected, (there,) = np.full(len(given), np.nan), np.nonzero(~np.isnan(given))
    order = there[np.argsort(given[there], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * factors))
    return corrected.tolist()
