"""How a model is run: what changes speed and memory, never what is computed, but for rounding.

Rules pass it as one word, a resource and no parameter, so that another way of running reruns nothing.
"""

from dataclasses import dataclass

from retort.errors import RetortError

DEVICES = ("auto", "cpu", "cuda")
SWITCHES = ("compile", "slicing", "offload")


@dataclass(frozen=True)
class Running:
    """device: one of DEVICES; auto is a GPU where there is one.

    compile: torch.compile of the networks that predict noise. slicing: attention, and images through the encoder, one
    image at a time. offload: text encoders and the encoder of images wait on the CPU until they are asked.
    """

    device: str = "auto"
    compile: bool = False
    slicing: bool = False
    offload: bool = False

    def __str__(self) -> str:
        """Such as auto, or cuda+compile+offload."""
        return "+".join([self.device, *(name for name in SWITCHES if getattr(self, name))])

    @classmethod
    def parse(cls, word: str) -> "Running":
        """From what `str` gives. Raises RetortError for another device or switch."""
        device, *switches = word.split("+")
        if device not in DEVICES or not set(switches) <= set(SWITCHES):
            raise RetortError(
                f"resource run: found {word!r}; it is one of {', '.join(DEVICES)}, then any of "
                f"{', '.join(SWITCHES)}, joined by +"
            )
        return cls(device, **dict.fromkeys(switches, True))


AUTOMATIC = Running()
