"""Mode guidance: the posterior mean is drawn towards a mode of the class (MGD3, ICML 2025)."""

from collections.abc import Sequence

from torch import Tensor

from retort.methods.guidance import Shift


def last_guided(timesteps: Sequence[int], until: float) -> int:
    """The timestep at and below which steps are not guided, for the share `until` of a descending grid.

    As in MGD3's code steps are guided strictly above the index N - until * N of N, so that 25 of 50 guides 24 steps and
    the last step is never guided.
    """
    stop = round(len(timesteps) * (1 - until))
    return timesteps[len(timesteps) - 1 - min(stop, len(timesteps) - 1)]


def shift_towards(modes: Tensor, strength: float, last: int) -> Shift:
    """The guidance term of MGD3 for modes (N, C, H, W), while timestep > last.

    With x0 the clean latents that the prediction under CFG implies, strength * sigma_t * (mode - x0), where sigma_t is
    the deviation of the step's noise; it is 1 without a deviation, as when x0 itself is moved (ManifoldGD's DDIM form).
    """

    def shift(latents: Tensor, clean: Tensor, timestep: int, deviation: Tensor | float | None) -> Tensor | None:
        if strength == 0 or timestep <= last:
            return None
        return (strength if deviation is None else strength * deviation) * (modes - clean)

    return shift
