"""How a model is run: what changes speed and memory, never what is computed, but for rounding.

Rules pass it as one word, a resource and no parameter, so that another way of running reruns nothing.
"""

from dataclasses import dataclass

from retort.base.errors import RetortError

DEVICES = ("auto", "cpu", "cuda")
SWITCHES = ("compile", "slicing", "offload")
LOADS = ("mmap", "eager")


@dataclass(frozen=True)
class Running:
    """device: one of DEVICES; auto is a GPU where there is one.

    compile: torch.compile of the networks that predict noise. slicing: attention, and images through the encoder, one
    image at a time. offload: text encoders and the encoder of images wait on the CPU until they are asked. load: how
    weights are read, mmap, eager (from the first byte to the last) or auto (as the file system asks for).
    """

    device: str = "auto"
    compile: bool = False
    slicing: bool = False
    offload: bool = False
    load: str = "auto"

    def __str__(self) -> str:
        """Such as auto, or cuda+compile+offload+eager."""
        switches = [name for name in SWITCHES if getattr(self, name)]
        return "+".join([self.device, *switches, *([self.load] if self.load != "auto" else [])])

    @classmethod
    def parse(cls, word: str) -> "Running":
        """From what `str` gives. Raises RetortError for another device or switch."""
        device, *switches = word.split("+")
        loads = [switch for switch in switches if switch in LOADS]
        if device not in DEVICES or not set(switches) <= {*SWITCHES, *LOADS} or len(loads) > 1:
            raise RetortError(
                f"resource run: found {word!r}; it is one of {', '.join(DEVICES)}, then any of "
                f"{', '.join(SWITCHES)} and one of {', '.join(LOADS)}, joined by +"
            )
        on = dict.fromkeys((switch for switch in switches if switch in SWITCHES), True)
        return cls(device, **on, load=loads[0] if loads else "auto")


AUTOMATIC = Running()
