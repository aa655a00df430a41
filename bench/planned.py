"""The jobs that Snakemake would start from nothing, as its dry run prints them, and what a finished run measured."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
FIELD = re.compile(r"^    (input|output|benchmark): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """rule; inputs and outputs, and the file of Snakemake's benchmark: paths from the repository's root."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    benchmark: str

    @property
    def seconds(self) -> float:
        """Wall seconds by the benchmark. Raises FileNotFoundError where the job has not run."""
        return float(pd.read_csv(ROOT / self.benchmark, sep="\t").iloc[-1]["s"])


def planned(*targets: str, options: Sequence[str] = ()) -> list[Job]:
    """Every job with a benchmark that these targets take from nothing. options: more for Snakemake's command line."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--cores", "2", *options, *targets]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    blocks = re.split(r"^(?:local)?rule (\w+):$", done.stdout + done.stderr, flags=re.MULTILINE)[1:]
    found = [(rule, dict(FIELD.findall(text))) for rule, text in zip(blocks[::2], blocks[1::2], strict=True)]
    return [
        Job(rule, _paths(fields.get("input", "")), _paths(fields["output"]), fields["benchmark"])
        for rule, fields in found
        if "benchmark" in fields
    ]


def _paths(text: str) -> tuple[str, ...]:
    return tuple(text.split(", ")) if text else ()
