"""Changes of one thing at a time: of a key of the config, of a file, of how the workflow is run."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from retort.data.imagenet import subset_classes
from retort.plan import fingerprint, part_params
from tests.helpers.workspace import smoke_config

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "example_parts" / "my_parts"
OLD = (1_500_000_000, 1_500_000_000)  # clocks of file systems are coarse

# ---------------------------------------------------------------- the config


def bases() -> dict[str, dict]:
    """The configs that changes are made to, by name."""
    written = yaml.safe_load((HERE / "bases.yaml").read_text())
    return {"trained": smoke_config()} | {name: config for name, config in written.items() if name != "small"}


def key_changes() -> Iterator[tuple[str, str, dict]]:
    """(base, places, changed config) of each change that changes.yaml lists."""
    configs = bases()
    for base, changes in yaml.safe_load((HERE / "changes.yaml").read_text()).items():
        for places, value in changes.items():
            config = deepcopy(configs[base])
            for place in places.split(" + "):
                _put(config, place, value)
            yield base, places, config


def _put(config: dict, place: str, value: Any) -> None:
    *tables, key = place.split("/")
    for part in tables:
        config = config[int(part)] if isinstance(config, list) else config.setdefault(part, {})
    if isinstance(config, list):
        config.append(value)
    elif value is None:
        del config[key]
    else:
        config[key] = value


# ---------------------------------------------------------------- files


def lay_out(home: Path) -> None:
    """The images, models and tables that the bases name, as far as planning looks at them."""
    network = ["config.json", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"]
    pipeline = ["model_index.json", *(f"transformer/{file}" for file in network)]
    files = [
        *(f"{folder}/{c}/{i}.png" for folder in ("images", "more-images") for c in ("cat", "dog") for i in range(4)),
        *("images/cat/0.txt", "truth.txt", "other.txt", "cifar/cifar-10-python.tar.gz"),
        *(f"imagenet/train/{wnid}/0.JPEG" for part in ("nette", "woof") for wnid in subset_classes(f"image{part}")),
        *("imagenet/val/ILSVRC2012_val_00000001.JPEG", "places/train/airfield/0.jpg", "places/train/bar/0.jpg"),
        *(f"sources/{name}/{file}" for name in ("vae", "more-vae") for file in network),
        *(f"sources/{name}/{file}" for name in ("dit", "sd", "more-sd", "refiner") for file in pipeline),
        *("sources/original.pt", "sources/more.pt", "sources/more-teacher/model.safetensors"),
        *("sources/teacher/model.safetensors", "sources/teacher/teacher.json"),
        *(
            f"sets/{name}/{c}/{i}.png"
            for name in ("theirs", "other", "labelled")
            for c in ("cat", "dog")
            for i in range(2)
        ),
        *("sets/theirs.npz", "sets/other.npz", "sets/theirs/cat/notes.md", "sets/labelled/soft_labels.npz"),
    ]
    for name in files:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("something")
    for path in (path for name in files for path in (home / name, (home / name).parent)):
        os.utime(path, OLD)
    shutil.copytree(EXAMPLE, home / "my_parts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(EXAMPLE, home / "more_parts", ignore=lambda folder, names: set(names) - {"_helper.py"})
    (home / "parent.yaml").write_text("methods: {spare: {select: random}}\n")


def edits() -> dict[str, list[dict]]:
    """Heading -> changes, as edits.yaml has them."""
    return yaml.safe_load((HERE / "edits.yaml").read_text())


@contextmanager
def edited(file: Path, how: str | dict[str, str]) -> Iterator[None]:
    """The file changed, and then put back with all its times."""
    folder, there = file.parent, file.exists()
    known, times = folder.exists(), {p: p.stat() for p in (folder, folder.parent) if p.exists()}
    kept = shutil.copy2(file, folder.parent / ".kept") if there else None
    folder.mkdir(exist_ok=True)
    if how == "gone":
        file.unlink()
    elif how == "touched":
        file.touch()
    elif how == "longer":
        with open(file, "a") as handle:
            handle.write("\n")
    else:
        text = file.read_text()
        assert how["old"] in text, f"{file} does not say {how['old']!r}"
        file.write_text(text.replace(how["old"], how["new"], 1))
    _forget(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        if kept:
            shutil.move(kept, file)
        if not known:
            folder.rmdir()
        for path, state in times.items():
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        _forget(file)


def _forget(file: Path) -> None:
    """A process reads code once, which is right for Snakemake's but not for this one."""
    if file.suffix == ".py":
        fingerprint._read.cache_clear()
        fingerprint._imports.cache_clear()
        part_params.code_of_part.cache_clear()
