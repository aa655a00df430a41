"""Random real images: the baseline."""

from retort.parts.selections import OfNames, among


class Random(OfNames):
    """This takes random images; a larger set holds the smaller ones."""

    def order(self, image_ids, seed, dataset):
        from retort.methods.selection import random_order

        return random_order(image_ids, seed, dataset)

    def in_words(self) -> str:
        return "random real images (baseline)"

    def in_full(self, record) -> str:
        return f"Random images {among(record)}."
