"""What each family of parts promises to whoever calls a part, as checks that any part can be put to.

`retort.parts.check` runs them on the parts of a folder, and the tests on those of this library. A check gives what it
found, or raises Broken; what the part itself raises counts as broken too.
"""

from retort.parts.contracts import choosing, finding, sampling
from retort.parts.contracts.base import ANY, Broken, Contract
from retort.parts.part import Part

__all__ = ["Broken", "Contract", "contracts_of"]


def contracts_of(part: Part) -> list[Contract]:
    """Every promise that a part is held to, by its family."""
    promises = (sampling.FAMILIES | choosing.FAMILIES | finding.FAMILIES).get(part.family, [])
    return [*ANY, *(contract for contract, holds in promises if holds(part))]
