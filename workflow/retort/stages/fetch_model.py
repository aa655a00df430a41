"""Bring a model from a directory or a hub id into results/, once, with the revision it came from."""

import shutil
from pathlib import Path

from retort.data.files import whole_directory, write_json
from retort.errors import RetortError

# What each kind of model must hold, relative to its own directory.
NEEDED = {
    "vae": ("config.json",),
    "dit": ("transformer/config.json", "scheduler/scheduler_config.json"),
    "sd": (
        "unet/config.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "tokenizer/tokenizer_config.json",
    ),
    "sdxl": (
        "model_index.json",
        "unet/config.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder_2/config.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer_2/tokenizer_config.json",
    ),
}
PARTS = {kind: sorted({file.split("/")[0] for file in files if "/" in file}) for kind, files in NEEDED.items()}
WITH_WEIGHTS = ("transformer", "unet", "text_encoder", "text_encoder_2")
# Hubs offer the same weights again in other precisions, as model.fp16.safetensors; networks are read without them.
VARIANTS = "*.*.safetensors"


def fetch_model(output: str, *, name: str, kind: str, source: str, revision: str | None) -> None:
    """A diffusers directory copied from `source`, or downloaded when `source` is no directory but a hub id.

    kind: a key of NEEDED. A vae may also be taken from the vae/ folder of a pipeline. Of a text-to-image pipeline
    only the kind's own parts are taken. Raises RetortError when files are missing, when there are no safetensors
    weights, and when the hub cannot be reached.
    """
    local = Path(source)
    origin = {"name": name, "source": source, "revision": revision}
    if not local.is_dir():
        local = _download(source, revision, kind)
        origin["revision"] = local.name
    if kind == "vae" and (local / "vae").is_dir():
        local = local / "vae"
    if missing := _missing(local, kind):
        raise RetortError(
            f"models.{name}.source: {source} is no {kind} directory of diffusers: it lacks {', '.join(missing)}"
        )
    for weights in [local] if kind == "vae" else [local / part for part in PARTS[kind] if part in WITH_WEIGHTS]:
        if not any(not file.match(VARIANTS) for file in weights.glob("*.safetensors")):
            raise RetortError(
                f"models.{name}.source: {weights} has no .safetensors weights under their plain name; "
                "other formats and variants such as .fp16.safetensors are not read"
            )
    with whole_directory(output) as scratch:
        shutil.copytree(local, scratch, dirs_exist_ok=True, ignore=_left_behind(local, kind))
        write_json(scratch / "origin.json", origin)


def _missing(directory: Path, kind: str) -> list[str]:
    missing = [file for file in NEEDED[kind] if not (directory / file).is_file()]
    for tokenizer in (part for part in PARTS[kind] if part.startswith("tokenizer")):
        held = {file.name for file in (directory / tokenizer).glob("*")}
        if "tokenizer.json" not in held and not {"vocab.json", "merges.txt"} <= held:
            missing.append(f"{tokenizer}/tokenizer.json (or vocab.json and merges.txt)")
    return missing


def _left_behind(source: Path, kind: str):
    """For shutil.copytree: what is never read and, of a text-to-image pipeline, all but the kind's own parts."""
    never = shutil.ignore_patterns("*.bin", "*.ckpt", "*.pt", VARIANTS)

    def ignore(directory: str, names: list[str]) -> set[str]:
        left = set(never(directory, names))
        if kind in ("sd", "sdxl") and Path(directory) == source:
            left |= {n for n in names if n not in PARTS[kind] and ((source / n).is_dir() or n.endswith(".safetensors"))}
        return left

    return ignore


def _download(hub_id: str, revision: str | None, kind: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    # A pipeline's repository holds many times what one kind reads. In these patterns * matches / too.
    alone = ["config.json", "diffusion_pytorch_model*"] if kind == "vae" else ["model_index.json"]
    inside = [f"{part}/*.{end}" for part in PARTS[kind] or ["vae"] for end in ("json", "txt", "safetensors")]
    try:
        return Path(
            snapshot_download(hub_id, revision=revision, allow_patterns=alone + inside, ignore_patterns=[VARIANTS])
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RetortError(f"{hub_id!r} is neither a directory nor a model that the hub gives out: {error}") from None
