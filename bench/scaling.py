"""How planning, jobs and cheap stages grow with classes, images, IPC and methods: counts, CPU seconds, exponents.

    python -m bench.scaling [--only classes images ipc methods stages]

Planning is `snakemake -n` from nothing, on a folder of empty files with the methods of config.yaml, hard labels and one
student; one quantity changes, the others stay at 100 classes, 2 images a class, IPC 10 and 7 methods. Stages are those
of tests/unit/stages/test_scale.py: tiny models, 4 images of 64 px a class, shards of 50 classes, each of which loads
its model. CPU seconds are those of all processes, of one run each. An exponent is the slope of a straight line through
the logarithms: 1 is in proportion, 0 is not at all.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import yaml
from tests.helpers.peak_memory import SIDE, encode, invert
from tests.unit.stages.test_scale import IMAGES, planned, save_dit, save_vae

from bench.rows import line, timed
from bench.synthetic_tree import class_names, config_for, write_tree
from retort.stages.data.build_manifest import build_manifest

ROOT = Path(__file__).resolve().parents[1]
USUAL = {"classes": 100, "images": 2, "ipc": 10, "methods": 7}
GROWING = {"classes": (10, 100, 1000), "images": (2, 20, 200), "ipc": (1, 10, 50), "methods": (1, 7, 14)}
CLASSES = (10, 100, 300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = [*GROWING, "stages"]
    parser.add_argument("--only", nargs="+", choices=every, default=every, metavar="WHAT", help=", ".join(every))
    only = parser.parse_args().only
    with tempfile.TemporaryDirectory() as folder:
        if names := [name for name in GROWING if name in only]:
            planning(Path(folder), names)
        if "stages" in only:
            stages(Path(folder))


def planning(folder: Path, names: Sequence[str]) -> None:
    print(line(("what grows", "to", "jobs", "exponent", "CPU s", "exponent")), line(["---"] * 6), sep="\n")
    for name in names:
        sizes = GROWING[name]
        jobs, seconds = zip(*(plan(folder, **USUAL | {name: size}) for size in sizes), strict=True)
        print(line((name, listed(sizes), *grown(sizes, jobs), *grown(sizes, seconds))), flush=True)


def stages(folder: Path) -> None:
    homes = [tree(folder, count) for count in CLASSES]
    print(line(("stage", "classes", "CPU s", "exponent")), line(["---"] * 4), sep="\n")
    for stage in (encode, invert):  # the second reads what the first writes
        stage(homes[0])  # imports
        seconds = [timed(partial(stage, home), cpu)[0] for home in homes]
        print(line((stage.__name__, listed(CLASSES), *grown(CLASSES, seconds))), flush=True)


def plan(folder: Path, classes: int, images: int, ipc: int, methods: int) -> tuple[int, float]:
    """Jobs, and CPU seconds of planning them."""
    home = folder / f"{classes}x{images}"
    for split, name in product(("train", "val"), class_names(classes)):
        (home / split / name).mkdir(parents=True, exist_ok=True)
        for number in range(images):
            (home / split / name / f"{number}.jpg").touch()
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["dataset"] = {"kind": "folder", "name": "made-up", "path": str(home), "resolution": 32}
    run = config["runs"][0]
    config["runs"] = [run | {"methods": run["methods"][:methods], "ipc": [ipc]}]
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    arguments = ["-n", "-s", str(ROOT / "Snakefile"), "--configfile", str(file), "--directory", str(folder / "work")]
    command = [sys.executable, "-m", "snakemake", *arguments]
    seconds, done = timed(lambda: subprocess.run(command, capture_output=True, text=True, check=False), cpu)
    if done.returncode:
        sys.exit(f"the plan failed:\n{done.stderr[-2000:]}")
    return int(re.search(r"^total +(\d+)$", done.stdout + done.stderr, re.M)[1]), seconds


def tree(folder: Path, classes: int) -> Path:
    """A folder with a data set, its manifest and a DiT for it, as the stages want them; a VAE beside it."""
    home = folder / f"tree{classes}"
    save_vae(folder / "vae")
    write_tree(home / "images", classes, IMAGES, SIDE)
    save_dit(home / "dit", classes)
    data = planned(config_for(home / "images", SIDE))
    outputs = (str(home / name) for name in ("manifest.parquet", "classes.csv", "bad.csv"))
    settings = data.manifest_settings() | {"dataset": data.dataset.name, "class_ids": data.classes}
    with redirect_stdout(sys.stderr):
        build_manifest(None, *outputs, **settings, made_of={}, threads=1)
    return home


def cpu() -> float:
    """Seconds of this process and of those it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def grown(sizes: Sequence[int], found: Sequence[float]) -> tuple[str, str]:
    """What was found at these sizes, and its exponent."""
    return listed(found), f"{np.polyfit(np.log(sizes), np.log(found), 1)[0]:.2f}"


def listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:,}" if isinstance(number, int) else f"{number:.2f}" for number in numbers)


if __name__ == "__main__":
    main()
