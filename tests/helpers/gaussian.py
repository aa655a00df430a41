"""The diffusion model that is known exactly, and classes for it."""

from retort.data.manifest import ClassEntry
from retort.models.gaussian import GaussianDiffusion, linear_schedule

__all__ = ["GaussianDiffusion", "entries", "linear_schedule"]


def entries(*indices: int) -> list[ClassEntry]:
    return [ClassEntry(i, f"id{i}", f"name{i}") for i in indices]
