"""How much what a network says of an image changes from epoch to epoch, in windows of consecutive epochs."""

import numpy as np


def fluctuations(values: np.ndarray, span: int) -> np.ndarray:
    """(E - span + 1, n): the standard deviation, with span - 1, of values (E, n) over each window of `span` epochs."""
    windows = np.lib.stride_tricks.sliding_window_view(values, span, axis=0)
    return windows.std(axis=-1, ddof=1)
