"""Peak memory of encoding and of inversion over whole data sets, each in a process of its own.

python -m tests.helpers.peak_memory HOME NAME... prints {name: {stage: bytes}} as JSON. HOME holds vae/, and for each
NAME a DiT in NAME/dit, and NAME/manifest.parquet and NAME/classes.csv.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

import retort.models.dit  # noqa: F401
from retort.artifacts.kept_classes import KeptClasses
from retort.data.manifest import read_classes
from retort.models.load import CodecFiles, ModelFiles
from retort.stages.shared.encode_latents import encode_latents
from retort.stages.shared.invert_latents import invert_latents

SIDE, SHARD_CLASSES, BATCH = 64, 50, 32


def peak(work: Callable[[Path], None], home: Path) -> int:
    """The most memory in bytes that a child of this process holds while it does `work`.

    What takes long to import has been imported here, once; nothing has been computed yet, so a fork is safe.
    """
    child = os.fork()
    if child == 0:
        status = 1
        os.dup2(2, 1)  # what a stage says belongs to its log; this process's output is the JSON
        try:
            work(home)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit("the measured process failed")
    return usage.ru_maxrss * 1024


def shards(home: Path) -> list[tuple[str, list[str]]]:
    ids = [c.id for c in read_classes(home / "classes.csv")]
    return [(f"{first:05d}", ids[first : first + SHARD_CLASSES]) for first in range(0, len(ids), SHARD_CLASSES)]


def codec_of(home: Path) -> CodecFiles:
    return CodecFiles(str(home.parent / "vae"), "float32", SIDE)


def encode(home: Path) -> None:
    """All shards, one after the other."""
    settings = {"posterior": "sample", "store": "float32", "dataset": home.name, "seed": 0, "batch": BATCH}
    for name, classes in shards(home):
        paths = (str(home / "manifest.parquet"), str(home / "latents" / f"{name}.safetensors"))
        encode_latents(*paths, codec=codec_of(home), class_ids=classes, **settings, threads=1)


def invert(home: Path) -> None:
    """The same."""
    files = {"model": ModelFiles(str(home / "dit"), "float32"), "codec": codec_of(home)}
    settings = {"steps": 2, "stop": 1, "guidance": 1.0, "batch": BATCH}
    for name, classes in shards(home):
        latents, output = (str(home / folder / f"{name}.safetensors") for folder in ("latents", "inverted"))
        kept = KeptClasses(home / "kept", home.name)
        invert_latents(latents, str(home / "classes.csv"), output, kept, **files, class_ids=classes, **settings)


def hoard(home: Path) -> None:
    """All latents at once, as no stage should."""
    KEPT.extend(np.fromfile(home / "latents" / f"{name}.safetensors", dtype=np.uint8) for name, _ in shards(home))


KEPT: list[np.ndarray] = []


def main() -> None:
    home, *names = sys.argv[1:]
    stages = {"encode": encode, "invert": invert, "hoard": hoard}
    found = {name: {stage: peak(work, Path(home, name)) for stage, work in stages.items()} for name in names}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
