"""Real images in a random order stand for their class: seeds of starts, and a baseline of guides."""

from retort.parts.discoveries import Discovery, Found


class Random(Discovery):
    """Random real images stand for their class; a larger set begins with a smaller one."""

    def find(self, latents, image_ids, count, seed):
        from retort.methods.selection import random_order

        rows = random_order(image_ids, seed, "discovery")[:count]
        return Found(rows, ["random"] * count, [1] * count)

    def in_words(self) -> str:
        return "random real images"
