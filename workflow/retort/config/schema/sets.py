"""How distilled sets are stored."""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Strict


class Sets(Strict):
    """This table says how distilled sets are stored, which changes none of their pixels."""

    store: Literal["folder", "zip"] = Field(
        "folder",
        description=(
            "A set has this form. With folder each image is a PNG file in the folder of its class; with zip the "
            "same PNGs are the members of one uncompressed archive, images.zip, for disks that limit how many files "
            "there may be."
        ),
    )
