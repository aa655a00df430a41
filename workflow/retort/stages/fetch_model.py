"""Bring a model from a directory or a hub id into results/, once, with the revision it came from."""

import shutil
from pathlib import Path

from retort.data.files import whole_directory, write_json
from retort.errors import RetortError

# What each kind of model must hold, relative to its own directory.
NEEDED = {
    "vae": ("config.json",),
    "dit": ("transformer/config.json", "scheduler/scheduler_config.json"),
}


def fetch_model(output: str, *, name: str, kind: str, source: str, revision: str | None) -> None:
    """A diffusers directory copied from `source`, or downloaded when `source` is no directory but a hub id.

    A vae may also be taken from the vae/ folder of a pipeline. Raises RetortError when files are missing, when
    only pickled weights are there, and when the hub cannot be reached.
    """
    local = Path(source)
    origin = {"name": name, "source": source, "revision": revision}
    if not local.is_dir():
        local = _download(source, revision)
        origin["revision"] = local.name
    if kind == "vae" and (local / "vae").is_dir():
        local = local / "vae"
    if missing := [f for f in NEEDED[kind] if not (local / f).is_file()]:
        raise RetortError(
            f"models.{name}.source: {source} is no {kind} directory of diffusers: it lacks {', '.join(missing)}"
        )
    weights = local if kind == "vae" else local / "transformer"
    if not list(weights.glob("*.safetensors")):
        raise RetortError(f"models.{name}.source: {weights} has no .safetensors weights; other formats are not read")
    with whole_directory(output) as scratch:
        shutil.copytree(local, scratch, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.bin", "*.ckpt", "*.pt"))
        write_json(scratch / "origin.json", origin)


def _download(hub_id: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RetortError(f"{hub_id!r} is neither a directory nor a model that the hub gives out: {error}") from None
