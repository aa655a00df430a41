"""Models and teachers that lie on this machine: which of their files are read."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from retort.base.errors import RetortError
from retort.base.files import sha256_of
from retort.base.paths import PACKAGED, path_of_source
from retort.models.contents import PARTS, pickled_weights

# Hubs offer the same weights again in other precisions, as model.fp16.safetensors; networks are read without them.
VARIANTS = "*.*.safetensors"
EXPORTS = ("*.onnx", "*.onnx_data", "*.msgpack", "*.h5", "openvino_model.xml")  # and for other programs
PICKLED = (".pth", ".pt", ".tar", ".ckpt", ".bin")


FILES = "files.json"  # what a published model's folder says of its files


def packaged_stamp(source: str) -> str | None:
    """What tells that a model that comes with Retort has changed, whatever folder and day that was installed; None of
    others, and of one that is not there."""
    listed = path_of_source(source) / FILES
    return sha256_of(listed)[:16] if source.startswith(PACKAGED) and listed.is_file() else None


def refuse_unknown(source: str) -> None:
    """Raises RetortError for retort:NAME where nothing of that name comes with Retort."""
    if not source.startswith(PACKAGED) or path_of_source(source).exists():
        return
    root = path_of_source(PACKAGED)
    known = sorted(f"{PACKAGED}{found.parent.relative_to(root).as_posix()}" for found in root.glob(f"*/*/{FILES}"))
    raise RetortError(f"no {source} comes with Retort (there are: {', '.join(known) or 'none'})")


# ---------------------------------------------------------------- models


def model_files(source: str, kind: str, allow_pickle: bool) -> list[Path]:
    """The files that are copied or converted of a model's source; none where it is not on this machine."""
    place = path_of_source(source)
    if place.is_file():
        return [place]
    if not place.is_dir():
        return []
    root = model_root(place, kind)
    left_behind = left_behind_of(root, kind)
    found = []
    for folder, folders, names in os.walk(root, followlinks=True):
        left = left_behind(folder, [*folders, *names])
        folders[:] = [name for name in folders if name not in left]
        found += [Path(folder, name) for name in names if name not in left]
    pickles = pickled_weights(root, kind) if allow_pickle else ()
    return sorted([*found, *(root / name for name in pickles)])


def model_root(directory: Path, kind: str) -> Path:
    """Where a kind's files begin: a vae may be a part of a pipeline."""
    return directory / "vae" if kind == "vae" and (directory / "vae").is_dir() else directory


def left_behind_of(root: Path, kind: str) -> Callable[[str, list[str]], set[str]]:
    """For shutil.copytree: what is never read and, of a text-to-image pipeline, all but the kind's own parts."""
    never = shutil.ignore_patterns("*.bin", "*.ckpt", "*.pt", VARIANTS, *EXPORTS, ".*")

    def ignore(directory: str, names: list[str]) -> set[str]:
        left = set(never(directory, names))
        if kind not in ("vae", "dit") and Path(directory) == root:
            left |= {n for n in names if n not in PARTS[kind] and ((root / n).is_dir() or n.endswith(".safetensors"))}
        return left

    return ignore


# ---------------------------------------------------------------- teachers


def teacher_files(source: str) -> list[Path]:
    """The checkpoint, and what a teacher saved by Retort says beside it; none where there is not just one."""
    try:
        weights = find_weights(path_of_source(source))
    except RetortError:
        return []
    return [weights, weights.parent / "teacher.json"]


def find_weights(source: Path) -> Path:
    """The checkpoint that `source` is, or the only one in that folder. Raises RetortError unless there is just one."""
    if not source.is_dir():
        if not source.is_file():
            raise RetortError(
                f"there is no {source}; give a checkpoint or a folder that holds one, by its path from where snakemake "
                "starts (weights of timm are named by arch, such as resnet18.tv_in1k, without a source)"
            )
        return source
    for endings in ((".safetensors",), PICKLED):
        found = sorted(path for path in source.iterdir() if path.suffix in endings)
        if len(found) > 1:
            raise RetortError(f"{source} holds {len(found)} checkpoints ({', '.join(p.name for p in found)}); name one")
        if found:
            return found[0]
    raise RetortError(
        f"{source} holds no .safetensors file and none of {', '.join(PICKLED)}; give the folder of one checkpoint"
    )
