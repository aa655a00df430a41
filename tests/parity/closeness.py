"""How near a result must be to reference numbers, whose size differs from one folder of them to another."""

import torch
from torch import Tensor

USUAL = 10.0  # the size of the values for which tolerances are told


def scaled(within: float, *expected: Tensor) -> float:
    """A tolerance told for values of the usual size: as it is up to there, and in proportion where values are larger.

    Their rounding grows with them; random networks have answered with 40 in one folder and 850 in another.
    """
    largest = max(values[values.isfinite()].abs().max().item() for values in expected)
    return within * max(1.0, largest / USUAL)


def assert_close(result: Tensor, expected: Tensor, within: float) -> None:
    """Equal in dtype and shape, and no value farther off than `within`, scaled by the expected values."""
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    torch.testing.assert_close(result, expected, rtol=0, atol=scaled(within, expected))
