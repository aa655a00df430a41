"""Bring a model from a directory, a checkpoint or a hub id into results/, once, with a record of what it is."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from retort.base.errors import RetortError
from retort.base.files import read_json, sha256_of, whole_directory, write_json
from retort.base.paths import path_of_source
from retort.data.hub import Snapshot, download, licence_of, looks_like_a_path
from retort.models.contents import PARTS, WITH_WEIGHTS, needs_float32, pickled_weights, read_contents
from retort.models.sources import VARIANTS, left_behind_of, model_root, refuse_unknown

ORIGINAL = (".pt", ".pth")
OFFERED = (
    ". Of the hub only plain safetensors are asked for, and .bin with allow_pickle: true; many repositories offer "
    "safetensors as a pull request (revision: refs/pr/1)"
)


def fetch_model(
    model: str,
    *,
    name: str,
    kind: str,
    source: str,
    revision: str | None,
    heads: int | None = None,
    allow_pickle: bool = False,
    stamp: str | None = None,
    store: str | None = None,
) -> None:
    """A diffusers directory made from `source`, checked, with origin.json.

    kind: a key of NEEDED. source: a diffusers directory; for a vae also a pipeline's, which has it in vae/; for a dit
    also an original .pt checkpoint, which is converted (`heads`: see there); or a hub id. Of a text-to-image pipeline
    only the kind's own parts are taken. Local files are copied, because their owner may edit them in place; those of
    the hub are linked to its cache, which nothing edits, or copied where that lies on another file system.

    With allow_pickle, weights that are there only as .bin are read as tensors alone and written as safetensors.

    store: "float16" or "bfloat16", in which the model runs: wider weights are rewritten in it, so that every job reads
    half the bytes and loads the same network. A vae that runs in float32 all the same (`needs_float32`) stays as it is.

    origin.json: name, source, revision (of the hub: the commit), licence (where the repository names one), files: path
    -> bytes and sha256, the same of pickles that were rewritten, and the `stamp` of a local source (`source_stamp`).
    Where weights were rewritten in another dtype, stored: that dtype, and wide: path -> bytes and sha256 before.
    Raises RetortError when the source cannot be had, when it is not whole (see `read_contents`), and when a file is not
    what the hub says.
    """
    local = path_of_source(source)
    origin = {"name": name, "source": source, "revision": revision} | ({"stamp": stamp} if stamp else {})
    try:
        refuse_unknown(source)
        if not local.exists() and looks_like_a_path(source):
            raise RetortError(
                f"{source!r} is neither a directory nor a model of the hub; paths start where snakemake is started"
            )
        if local.is_file():
            _convert(local, model, origin, kind, heads, store)
        elif local.is_dir():
            _adopt(Snapshot(local, "", {}, licence_of(local)), model, origin, kind, allow_pickle, store)
        else:
            _from_hub(model, name, kind, source, revision, allow_pickle, store)
    except RetortError as error:
        offered = "" if local.exists() or "under their plain name" not in str(error) else OFFERED
        raise RetortError(f"models.{name}.source: {error}{offered}") from None


def _from_hub(
    output: str, name: str, kind: str, source: str, revision: str | None, allow_pickle: bool, store: str | None
) -> None:
    # A pipeline's repository holds many times what one kind reads.
    endings = ["json", "txt", "safetensors", *(["bin"] if allow_pickle else [])]
    weights = [f"diffusion_pytorch_model*.{end}" for end in endings if end != "txt"]
    alone = ["config.json", *weights] if kind == "vae" else ["model_index.json"]
    inside = [f"{part}/*.{end}" for part in PARTS[kind] or ["vae"] for end in endings]
    snapshot = download(source, revision, alone + inside, [VARIANTS, VARIANTS.replace("safetensors", "bin")])
    if not (revision and re.fullmatch(r"[0-9a-f]{7,40}", revision) and snapshot.commit.startswith(revision)):
        print(
            f"models.{name}: the revision {revision or 'main'!r} of {source} may come to mean another one; for "
            f"results that stay comparable, write into the config: revision: {snapshot.commit}"
        )
    origin = {"name": name, "source": source, "revision": snapshot.commit}
    _adopt(snapshot, output, origin, kind, allow_pickle, store, _link_or_copy)


def _adopt(
    snapshot: Snapshot,
    output: str,
    origin: dict,
    kind: str,
    allow_pickle: bool,
    store: str | None,
    copy: Callable = shutil.copy2,
) -> None:
    """Check what the kind reads of a directory, copy it, and compare every file with what the hub states."""
    local = model_root(snapshot.directory, kind)
    pickles = pickled_weights(local, kind) if allow_pickle else {}
    if not pickles:
        read_contents(local, kind)
    with whole_directory(output) as scratch:
        shutil.copytree(local, scratch, dirs_exist_ok=True, ignore=left_behind_of(local, kind), copy_function=copy)
        files = _files_of(scratch)
        rewritten = {file: _facts(local / file) for file in pickles}
        for file, found in (files | rewritten).items():
            stated = snapshot.stated.get((local / file).relative_to(snapshot.directory).as_posix(), {})
            if wrong := [key for key, value in stated.items() if value not in (None, found[key])]:
                raise RetortError(
                    f"{local / file} has {wrong[0]} {found[wrong[0]]}, but the hub says {stated[wrong[0]]}; delete "
                    f"{os.path.realpath(local / file)} and fetch it again"
                )
        for file, target in pickles.items():
            rewrite_pickle(local / file, scratch / target)
        if pickles:
            read_contents(scratch, kind)
            origin, files = origin | {"rewritten": rewritten}, _files_of(scratch)
        if stored := _stored_in(scratch, kind, store, files):
            origin, files = origin | stored, _files_of(scratch)
        licence = {"licence": snapshot.licence} if snapshot.licence else {}
        write_json(scratch / "origin.json", origin | licence | {"files": files})


def _stored_in(folder: Path, kind: str, store: str | None, files: dict[str, dict]) -> dict:
    """Rewrite the wide weights of a model in the dtype `store`; what origin.json says of it, nothing where none was."""
    if store is None or (kind == "vae" and store == "float16" and needs_float32(read_json(folder / "config.json"))):
        return {}
    import torch

    from retort.models.narrow import narrow_folder

    places = [folder] if kind == "vae" else [folder / part for part in PARTS[kind] if part in WITH_WEIGHTS]
    narrowed = [file for place in places for file in narrow_folder(place, getattr(torch, store))]
    wide = {file: files[file] for file in (path.relative_to(folder).as_posix() for path in narrowed)}
    return {"stored": store, "wide": wide} if wide else {}


def rewrite_pickle(source: Path, target: Path) -> None:
    """The tensors of a state dict that torch.save wrote, as safetensors. Raises RetortError as `read_pickled` does."""
    from safetensors.torch import save_file
    from torch import Tensor

    from retort.models.pickled import read_pickled

    state = read_pickled(source)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise RetortError(f"{source} is no state_dict: it must map names to tensors")
    # Clones, because tensors of a pickle may share memory, which safetensors refuses.
    save_file({name: value.clone().contiguous() for name, value in state.items()}, target, {"format": "pt"})


def _convert(checkpoint: Path, output: str, origin: dict, kind: str, heads: int | None, store: str | None) -> None:
    if kind != "dit" or checkpoint.suffix not in ORIGINAL:
        raise RetortError(f"{checkpoint} is a file; only a dit may be one, an original checkpoint that ends in .pt")
    from retort.models.original_dit import original_pipeline

    with whole_directory(output) as scratch:
        original_pipeline(checkpoint, scratch, heads)
        read_contents(scratch, kind)
        files = _files_of(scratch)
        if stored := _stored_in(scratch, kind, store, files):
            origin, files = origin | stored, _files_of(scratch)
        record = {"sha256": sha256_of(checkpoint), "files": files}
        write_json(scratch / "origin.json", origin | record)


def _files_of(folder: Path) -> dict[str, dict]:
    """Path -> bytes and sha256 of every file in a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {f.relative_to(folder).as_posix(): _facts(f) for f in tqdm(files, desc="checking", unit="file")}


def _facts(file: Path) -> dict:
    return {"bytes": file.stat().st_size, "sha256": sha256_of(file)}


def _link_or_copy(source: str, target: str) -> None:
    """A second name for the file, which takes no space, where source and target share a file system."""
    try:
        os.link(os.path.realpath(source), target)  # the cache names its files by links
    except OSError:
        shutil.copy2(source, target)
