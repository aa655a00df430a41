"""The acceptance run on one GPU: whether what the tests hold on a CPU holds there, at true shapes and true speed.

    python -m tests.gpu.accept [--only load,same] [--device cuda|cpu] [--size full|tiny] [--json FILE] [--folder FOLDER]

It needs no network and no weights: models have the published shapes and random weights (40 GB of disk while it runs).
Each part is skipped where torch sees no GPU. `--device cpu --size tiny` runs the same code in minutes on a CPU, which
shows that it runs to its end and nothing else. The exit status is the number of assertions that failed.
"""

import argparse
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

PARTS = {
    "make": "repositories as on the hub are written, fetched, recorded and checked",
    "load": "every model, every way of running it: weights equal, places, seconds",
    "same": "each method on the device against the CPU, in four precisions; the parity tests",
    "memory": "one batch of every stage, free and with the memory of a card of 24 GB",
    "speed": "calls, steps and views a second, their share of the matmul peak, host synchronisations, requests",
    "input": "whether reading images keeps up with the encoder and the teacher",
    "repeat": "what is equal to the bit, by default and deterministically",
    "dag": "the smoke config through Snakemake with profiles/local-gpu",
}


def main() -> None:
    options = parse(sys.argv[1:])
    if options.device == "cpu":  # before torch is imported, which asks for devices once
        os.environ.update(CUDA_VISIBLE_DEVICES="", RETORT_DEVICE="cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which cuBLAS refuses to be deterministic
    os.environ.update(HF_HUB_OFFLINE="1")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = accept(options.only, options.device, options.size, Path(folder))
    text = json.dumps(found, indent=2) + "\n"
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(text)
    print(f"\n{table(found)}\n\nAll figures: {options.json}")
    sys.exit(min(failures(found), 100))


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=_parts, default=list(PARTS), metavar="PART,...", help=", ".join(PARTS))
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", choices=["full", "tiny"], default="full")
    parser.add_argument("--json", type=Path, default=Path("results/gpu-check.json"))
    parser.add_argument("--folder", type=Path, help="where models are written (default: the system's temporary files)")
    options = parser.parse_args(arguments)
    if options.device == "cpu" and options.size == "full":
        parser.error("on a CPU only --size tiny ends within a day")
    return options


def accept(parts: list[str], device: str, size: str, folder: Path) -> dict:
    """What each part found, and where: the content of the JSON file."""
    import torch

    from tests.gpu.harness import Bench, Checks

    bench = Bench(torch.device(device), size, folder)
    missing = device == "cuda" and not torch.cuda.is_available()
    results = {}
    for part in parts:
        checks = Checks(part)
        if missing:
            checks.skipped = "torch sees no CUDA device on this machine"
        else:
            with checks.running():
                importlib.import_module(f"tests.gpu.part_{part}").run(bench, checks)
        results[part] = checks.record()
    return {"machine": _machine(device, missing), "device": device, "size": size, "parts": results}


def failures(found: dict) -> int:
    return sum(not check["holds"] for part in found["parts"].values() for check in part["checks"])


def table(found: dict) -> str:
    """One line for each part, and one for each assertion that failed."""
    lines = ["| part | state | assertions | failed | seconds |", "|---|---|---|---|---|"]
    for name, part in found["parts"].items():
        failed = [check for check in part["checks"] if not check["holds"]]
        lines.append(f"| {name} | {part['state']} | {len(part['checks'])} | {len(failed)} | {part['seconds']:.0f} |")
        lines += [f"| | {check['what']}: {check['found']} | | | |" for check in failed]
    return "\n".join(lines)


def _machine(device: str, missing: bool) -> dict:
    import torch
    from bench.rows import machine, versions

    facts = machine() | versions()
    if device == "cuda" and not missing:
        properties = torch.cuda.get_device_properties(0)
        facts |= {"gpu memory GiB": round(properties.total_memory / 2**30, 1), "cuda": torch.version.cuda}
    return facts


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part is called {unknown[0]}; there are {', '.join(PARTS)}")
    return parts


if __name__ == "__main__":
    main()
