"""What a benchmark hands back: rows of one table, timed side by side."""

import csv
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

Clock = Callable[[], float]
HEAD = ("work", "ours", "baseline", "ratio", "equality", "share of limit")


@dataclass(frozen=True)
class Row:
    """One piece of work done by two sides, in seconds.

    equality: what was compared and how close it came; equal: whether that is close enough. share: the time that
    `limit`, something measured on this machine, allows, as a share of ours; None where nothing fits.
    """

    work: str
    ours: float
    baseline: float
    equality: str
    equal: bool
    share: float | None = None
    limit: str = ""

    @property
    def ratio(self) -> float:
        return self.baseline / self.ours

    def cells(self) -> list[str]:
        """As the table has it."""
        share = "" if self.share is None else f"{self.share:.0%} of {self.limit}"
        agreement = self.equality if self.equal else f"DIFFERS: {self.equality}"
        seconds = (f"{value:.3g} s" for value in (self.ours, self.baseline))
        return [self.work, *seconds, f"**{self.ratio:.3g}**", agreement, share]


def line(cells: Sequence[str]) -> str:
    """One line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def write_csv(rows: Sequence[Row], path: Path, **facts: str | int) -> None:
    """One line for each row; `facts`, and those of machine and versions, stand in each."""
    facts = {**facts, "clock": clock_name(), **machine(), **versions()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, [*asdict(rows[0]), "ratio", *facts])
        table.writeheader()
        table.writerows(asdict(row) | {"ratio": row.ratio} | facts for row in rows)


def machine() -> dict[str, str | int]:
    cpu = platform.processor()
    with suppress(OSError):  # only Linux has this file
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((text.split(": ")[1] for text in lines if text.startswith("model name")), cpu)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"cpu": cpu, "cores": os.cpu_count() or 1, "gpu": gpu, "threads": torch.get_num_threads()}


def versions() -> dict[str, str]:
    with suppress(OSError, subprocess.CalledProcessError):  # no git, or no clone
        told = {"text": True, "check": True, "capture_output": True, "cwd": Path(__file__).parent}
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], **told).stdout.strip()
        return _packages() | {"commit": commit}
    return _packages() | {"commit": "unknown"}


def _packages() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in ("torch", "diffusers", "numpy")}


def in_turn(*sides: Callable[[], Any], repeats: int = 2, clock: Clock | None = None) -> tuple[list[float], list[Any]]:
    """Best seconds and results of all sides, one after the other again and again: other work disturbs all alike."""
    best, results = [float("inf")] * len(sides), [None] * len(sides)
    for _ in range(repeats):
        for number, side in enumerate(sides):
            seconds, results[number] = timed(side, clock)
            best[number] = min(best[number], seconds)
    return best, results


def timed(work: Callable[[], Any], clock: Clock | None = None) -> tuple[float, Any]:
    """Seconds by the clock, or by `now`, and the result."""
    clock = clock or now
    began = clock()
    result = work()
    return clock() - began, result


def now() -> float:
    """Seconds of this process's CPU where one thread computes, which other work disturbs little; else of the wall."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def clock_name() -> str:
    return "wall" if torch.cuda.is_available() or torch.get_num_threads() > 1 else "CPU"


def apart(ours: torch.Tensor, baseline: torch.Tensor) -> float:
    """The largest difference as a share of the baseline's standard deviation, 1.0 where something is not finite."""
    gap = (ours.double() - baseline.double()).abs().max() / baseline.double().std()
    return float(gap) if torch.isfinite(gap) else 1.0
