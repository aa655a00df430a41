"""The minutes that jobs of configs/imagenet1k.yaml ask of a cluster, beside what was measured on this GPU."""

import re
import subprocess
import sys
from pathlib import Path

import torch
from bench.real_run import counted

from retort.config.load import load_config
from retort.config.strict_yaml import read_strictly
from tests.gpu.harness import Checks

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/imagenet1k.yaml"
SHARD, IMAGES = 50, 1_281_167 / 20  # classes of a shard, and about as many of its images
REFERENCE = 120e12  # FLOP/s of the GPU that requests are made for
LEAST, MOST = 2.0, 10.0
A_DAY = 24 * 60
GRADIENT = 3.0  # calls that a call with its gradient counts as, about


def requested() -> dict[str, list[tuple[dict[str, str], int]]]:
    """Rule -> wildcards and minutes of each of its jobs, by a dry run."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "16", "--configfile", CONFIG]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return jobs_of(done.stdout)


def jobs_of(text: str) -> dict[str, list[tuple[dict[str, str], int]]]:
    """The same of what a dry run prints."""
    found: dict[str, list[tuple[dict[str, str], int]]] = {}
    for block in re.split(r"\n(?=(?:local)?rule )", text):
        rule, minutes = re.match(r"(?:local)?rule (\w+):", block), re.search(r"runtime=(\d+)", block)
        if rule and minutes:
            named = re.search(r"^    wildcards: (.*)$", block, re.M)
            pairs = dict(pair.split("=", 1) for pair in named[1].split(", ")) if named else {}
            found.setdefault(rule[1], []).append((pairs, int(minutes[1])))
    return found


def seconds_of(rule: str, wildcards: dict[str, str], rates: dict[str, float], config) -> float | None:
    """How long a job computes at `rates` of calls a second (by kind of model); None where no rate is known."""
    methods = config.methods
    if rule in ("generate_images", "refine_latents"):
        method = methods[wildcards["method"]]
        model, images = config.models[method.generate.model], SHARD * int(wildcards.get("number", wildcards.get("ipc")))
        made = rule == "generate_images"
        steps = 2 * _steps(method.generate, config) if made else method.refine.passes() * GRADIENT
        return images * steps / rates[model.kind] if model.kind in rates else None
    if rule in ("invert_latents", "score_typicality"):
        part = "inversion" if rule == "invert_latents" else "typicality"
        settings = (config.inversions if part == "inversion" else config.typicalities)[wildcards[part]]
        calls = 2 * (settings.stop if part == "inversion" else settings.draws)
        kind = config.models[settings.model].kind
        return IMAGES * calls / rates[kind] if kind in rates else None
    return None


def _steps(generate, config) -> int:
    """Of the sampler; from where an inversion stopped, D3HR takes two more than that had."""
    inversion = generate.start.name_in("inversions")
    if generate.steps or inversion is None:
        return generate.steps or generate.sampler.usual_steps
    return config.inversions[inversion].stop + 2


def compare_requests(checks: Checks, rates: dict[str, float], demanding: bool) -> None:
    """Figures for the longest job of each rule and kind of model; assertions where `demanding`.

    A request must be LEAST times what this GPU takes; and at most MOST times what one of REFERENCE would, for which
    requests are made: a faster GPU is not asked to justify them. What a day caps is only said.
    """
    config = load_config(read_strictly(ROOT / CONFIG))
    with torch.device("meta"):
        operations = counted()
    slow = {"dit": REFERENCE / operations["DiT-XL/2"], "sd": REFERENCE / operations["SD 1.5"]}
    slow["sdxl"] = REFERENCE / operations["SDXL"]
    longest: dict[tuple[str, str], tuple[float, float, int, str]] = {}
    for rule, jobs in requested().items():
        for wildcards, minutes in jobs:
            expected = seconds_of(rule, wildcards, slow, config)
            if expected is None:
                continue
            measured = seconds_of(rule, wildcards, rates, config) or 0.0
            key = rule, next((wildcards[k] for k in ("method", "inversion", "typicality") if k in wildcards), "")
            where = " ".join(wildcards.values())
            longest[key] = max(longest.get(key, (0.0, 0.0, 0, "")), (expected / 60, measured / 60, minutes, where))
    for (rule, name), (expected, measured, minutes, where) in longest.items():
        checks.figure(
            f"{rule} {where}: minutes asked, at 120 TFLOP/s, measured", f"{minutes}, {expected:.1f}, {measured:.1f}"
        )
        if demanding and minutes < A_DAY:
            enough, modest = minutes >= LEAST * measured, minutes <= 60 + MOST * expected
            checks.that(
                f"{rule} {name}: asks for {LEAST:.0f} to {MOST:.0f} times what it takes", enough and modest, minutes
            )
    checks.that("jobs were found in the plan", len(longest) >= 4, len(longest))
