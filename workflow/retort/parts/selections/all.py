"""All real images: the upper bound."""

from retort.parts.selections import OfNames


class All(OfNames):
    """This takes every training image, in the order of the manifest."""

    takes_all = True
    seeded = False

    def order(self, image_ids, seed, dataset):
        return list(range(len(image_ids)))

    def clashes(self, method):
        yield from super().clashes(method)
        if method.side:
            yield (
                "side: select: all points at the training images as they are decoded, at the data set's resolution; "
                "leave side out"
            )

    def in_words(self) -> str:
        return "the whole training set (upper bound)"

    def in_full(self, record) -> str:
        return "Every training image."
