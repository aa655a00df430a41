"""Fashion-MNIST: a tenth of it comes with Retort, and all of it is read from the published files."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from retort.base.grammar import Name
from retort.base.paths import LocalPath
from retort.parts.layouts import FOLDER, KIND, SIDE, Layout


class FashionMnist(Layout):
    """Fashion-MNIST is 500 + 100 images of each class that come with Retort, or from a path 6,000 + 1,000 of each.

    They are grey photographs of clothes, 28 x 28 pixels, as RGB. Class ids are t-shirt, trouser, pullover, dress, coat,
    sandal, shirt, sneaker, bag and ankle-boot.
    """

    layout_keys = ("path",)
    written_out = True

    kind: Literal["fashion-mnist"] = Field(description=KIND)
    name: Name = Field("fashion-mnist", description=FOLDER)
    resolution: int = Field(32, ge=8, le=4096, description=SIDE)
    path: LocalPath | None = Field(
        None,
        description="This folder holds the published IDX files, train-images-idx3-ubyte and so on, packed as .gz or "
        "not. By default the tenth that comes with Retort is taken.",
    )

    @property
    def bundled(self) -> bool:
        return self.path is None

    def list_classes(self, wanted):
        from retort.data.layouts import fashion_mnist

        return fashion_mnist.list_classes(wanted)

    def bundled_stamp(self):
        from retort.data.layouts import fashion_mnist

        return fashion_mnist.BUNDLED

    def places(self, classes):
        from retort.data.layouts import fashion_mnist

        return fashion_mnist.places(Path(self.path))

    def published_name(self, classes):
        return None if self.bundled else self.kind

    def write_images(self, folder, classes):
        from retort.data.layouts import fashion_mnist

        fashion_mnist.write_images(self.path and Path(self.path), folder, classes)

    def readable_names(self, classes):
        from retort.data.layouts import fashion_mnist

        return {class_id: fashion_mnist.CLASSES[class_id] for class_id in classes}
