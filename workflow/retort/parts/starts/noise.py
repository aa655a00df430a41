"""Sampling starts from noise, which for an image of a class is the same for all methods."""

from retort.parts.starts import Start


class Noise(Start):
    """Sampling starts from standard normal noise."""

    def latent(self, noise, drawn):
        return noise()

    def in_words(self) -> str:
        return "starting from noise"

    def begun(self) -> str:
        return "noise"
