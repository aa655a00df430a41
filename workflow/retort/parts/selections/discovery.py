"""The representatives that a discovery finds, as real images (CoDA's set R)."""

from pydantic import Field

from retort.parts.part import DiscoveryName
from retort.parts.selections import Selection, among


class DiscoverySelect(Selection):
    """The representatives that a discovery finds are kept, as real images (CoDA's set R)."""

    told_by = "discovery"
    stage = None  # choose_representatives, which the discovery's guides share
    pools = False
    seeded = False  # the discovery belongs to all that name it

    discovery: DiscoveryName = Field(description="The representatives are those of this discovery.")

    def source(self) -> str:
        return "a discovery"

    def in_words(self) -> str:
        return f"the real images that stand for the clusters of {self.discovery}"

    def in_full(self, record) -> str:
        return f"Chosen: the images {among(record)} that the discovery {self.discovery} calls representative."
