"""What the parts of the acceptance run share: where they compute, what they check, and how it is written down."""

import gc
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tests.gpu.meter import LiveBytes

GIB = 2**30


@dataclass(frozen=True)
class Bench:
    """Where a part computes: the device, the size of the models (see published.py), a folder for its files."""

    device: torch.device
    size: str
    folder: Path

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def full(self) -> bool:
        return self.size == "full"

    @property
    def half(self) -> torch.dtype:
        """What models are run in that the configs run in half precision."""
        return torch.float16 if self.on_gpu else torch.float32

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def timed(self, run: Callable[[], object]) -> float:
        """Seconds of one run."""
        self.wait()
        began = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - began

    def rate(self, run: Callable[[], object], seconds: float = 3.0) -> float:
        """How often `run` ends in a second, after two runs that are not counted."""
        run(), run()
        self.wait()
        began, count = time.perf_counter(), 0
        while count == 0 or (self.full and time.perf_counter() - began < seconds):
            run()
            self.wait()
            count += 1
        return count / (time.perf_counter() - began)

    def peak(self, run: Callable[[], object]) -> int:
        """The most bytes of tensors that were alive at once in a run, by torch's own count on a GPU."""
        gc.collect()
        if not self.on_gpu:
            with LiveBytes() as meter:
                run()
            return meter.peak
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        run()
        return torch.cuda.max_memory_allocated()


@dataclass
class Checks:
    """What one part found: assertions, each with what was found, and figures to quote."""

    part: str
    done: list[dict] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    skipped: str = ""
    seconds: float = 0.0

    def that(self, what: str, holds: bool, found: object = "") -> None:
        self.done.append({"what": what, "holds": bool(holds), "found": _plain(found)})
        print(f"  {'ok    ' if holds else 'FAILED'} {what}{f': {_plain(found)}' if found != '' else ''}", flush=True)

    def below(self, what: str, value: float, limit: float) -> None:
        self.that(f"{what} < {limit:.3g}", value < limit, value)

    def figure(self, what: str, value: object) -> None:
        self.figures[what] = _plain(value)
        print(f"         {what}: {_plain(value)}", flush=True)

    @property
    def failed(self) -> int:
        return sum(not check["holds"] for check in self.done)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time the part; an error in it is one failed assertion, and the next part runs."""
        print(f"{self.part}:", flush=True)
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.that("the part runs to its end", False, f"{type(error).__name__}: {error}")
        self.seconds = round(time.perf_counter() - began, 1)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """An error in the block is one failed assertion, and the part goes on behind it."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.that(what, False, f"{type(error).__name__}: {error}")

    def record(self) -> dict:
        state = f"skipped: {self.skipped}" if self.skipped else "failed" if self.failed else "passed"
        return {"state": state, "seconds": self.seconds, "figures": self.figures, "checks": self.done}


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Norm of the difference over the norm of what is expected, in float64 on the CPU; 1 where one is not finite."""
    found, expected = found.detach().double().cpu(), expected.detach().double().cpu()
    if not found.isfinite().all():
        return 1.0
    return ((found - expected).norm() / expected.norm()).item()


def _plain(value: object) -> object:
    """As JSON holds it, numbers with the digits that mean something."""
    return float(f"{value:.4g}") if isinstance(value, float) else value
