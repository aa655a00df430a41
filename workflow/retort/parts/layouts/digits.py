"""scikit-learn's handwritten digits."""

from typing import Literal

from pydantic import Field

from retort.base.grammar import Name
from retort.parts.layouts import FOLDER, KIND, Layout


class Digits(Layout):
    """scikit-learn's handwritten digits are 1,797 real scans, as RGB, of which 400 are held out, split by class."""

    layout_keys = ("resolution",)
    written_out = True
    bundled = True

    kind: Literal["digits"] = Field(description=KIND)
    name: Name = Field("digits", description=FOLDER)
    resolution: int = Field(
        32,
        ge=8,
        le=4096,
        description="Images have this side in pixels; the scans of 8 x 8 pixels are enlarged bicubically.",
    )

    def list_classes(self, wanted):
        from retort.data.layouts import digits

        return digits.list_classes(wanted)

    def bundled_stamp(self):
        return "with scikit-learn"

    def write_images(self, folder, classes):
        from retort.data.layouts import digits

        digits.write_images(folder, classes, self.resolution)
