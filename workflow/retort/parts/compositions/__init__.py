"""Compositions: images that are put together from patches of real ones."""

from __future__ import annotations

from retort.parts.part import Part


class Composition(Part):
    """A composition."""

    family = "compositions"
