"""What CIFAR's two data sets have in common."""

from pathlib import Path

from retort.parts.layouts import Local


class Cifar(Local):
    """A python archive of CIFAR's."""

    written_out = True

    def list_classes(self, wanted):
        from retort.data.layouts import cifar

        return cifar.list_classes(self.kind, wanted)

    def places(self, classes):
        from retort.data.layouts import cifar

        return cifar.places(self.kind, Path(self.path))

    def write_images(self, folder, classes):
        from retort.data.layouts import cifar

        cifar.write_images(self.kind, Path(self.path), folder, classes)

    def readable_names(self, classes):
        return {class_id: class_id.replace("_", " ").replace("-", " ") for class_id in classes}
