"""What lies in a model's directory, read from its config files and the headers of its weights; no library is loaded.

Everything that can be known to be wrong with a model before it is run is found here, in less than a second.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retort.base.errors import Corrupt, RetortError, some_of
from retort.base.files import read_json
from retort.base.tensors import read_header

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
    "sdxl-refiner": (
        "model_index.json",
        "unet/config.json",
        "scheduler/scheduler_config.json",
        "text_encoder_2/config.json",
        "tokenizer_2/tokenizer_config.json",
    ),
}
PARTS = {kind: sorted({file.split("/")[0] for file in files if "/" in file}) for kind, files in NEEDED.items()}
TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
WITH_WEIGHTS = ("transformer", "unet", *TEXT_ENCODERS)

PART_OF_SEVERAL = re.compile(r"-\d{5}-of-\d{5}\.")

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Contents:
    """What a model says of itself.

    channels and side are those of its latents; side is None where any size will do (text-to-image) or where images
    decide (a vae, of which `shrink` image pixels make one of a latent). classes: of a dit, without the null class.
    """

    channels: int
    side: int | None = None
    classes: int | None = None
    shrink: int | None = None


def read_contents(directory: str | Path, kind: str) -> Contents:
    """What the directory of a model holds, of a kind that is a key of NEEDED.

    Raises RetortError when files are missing, when weights are not there whole, and when they are not those that the
    config files describe.
    """
    folder = Path(directory)
    if missing := _missing(folder, kind):
        raise RetortError(
            f"{folder} is no {kind} directory of diffusers: it lacks {', '.join(missing)}; give the directory that "
            "save_pretrained wrote, whole"
        )
    try:
        if kind == "vae":
            return _vae(folder)
        shapes = {part: read_shapes(folder / part) for part in PARTS[kind] if part in WITH_WEIGHTS}
        return _dit(folder / "transformer", shapes["transformer"]) if kind == "dit" else _unet(folder, shapes)
    except (ValueError, KeyError, TypeError) as error:
        found = error.found if isinstance(error, Corrupt) else repr(error)  # what was not made here is not rebuilt
        raise RetortError(
            f"the config files of {folder} do not describe a {kind}: {found}; give a directory that diffusers saved, "
            "whole and of this kind"
        ) from None


def read_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the weights of one network, in one file or in several with an index.

    Only files that the libraries read count. Raises RetortError for a file that is missing or cut short, and for
    weights that the index names and no file has.
    """
    stem = "model" if folder.name in TEXT_ENCODERS else "diffusion_pytorch_model"
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if single.is_file() and index.is_file():
        raise RetortError(
            f"{folder} holds two versions of the weights, {single.name} and those that {index.name} names; libraries "
            "do not agree on which to read, so take one of the two away"
        )
    if single.is_file():
        return _header(single)
    if not index.is_file():
        raise RetortError(
            f"{folder} has no .safetensors weights under their plain name, {single.name}{_instead(folder)}"
        )
    places = read_json(index)["weight_map"]
    files = sorted(set(places.values()))
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise RetortError(f"{folder} lacks {', '.join(missing)}, which {index.name} names; fetch it whole")
    shapes = {name: shape for file in files for name, shape in _header(folder / file).items()}
    if lost := sorted(places.keys() - shapes.keys()):
        raise RetortError(
            f"{folder} lacks {len(lost)} weights that {index.name} names, {lost[0]} for one; fetch it whole"
        )
    return shapes


def _instead(folder: Path) -> str:
    """What a folder holds in place of plain safetensors, and the way out that fits it."""
    names = sorted(file.name for file in folder.glob("*")) if folder.is_dir() else []
    tensors = [name for name in names if name.endswith(".safetensors")]
    parts = [name for name in names if PART_OF_SEVERAL.search(name)]
    pickles = [name for name in names if name.endswith(".bin")]
    if set(parts) & set(tensors):
        return f"; it has {parts[0]} of several files, but their index, .safetensors.index.json, is missing: fetch all"
    if tensors:
        return f"; it has {some_of(tensors, 3)}, a variant: rename it to the plain name, or save it without `variant`"
    if parts:
        return (
            f"; it has .bin in several files ({parts[0]}), which are not rewritten: load it once where you made it and "
            "save it again as safetensors (save_pretrained)"
        )
    if pickles:
        return f"; it has {some_of(pickles, 3)}: say allow_pickle: true to have .bin rewritten as safetensors"
    return f"; it holds {some_of(names, 5)}: fetch it whole, or save it again as safetensors (save_pretrained)"


def pickled_weights(directory: str | Path, kind: str) -> dict[str, str]:
    """Pickle -> safetensors file, within the directory, of the networks whose weights are there only as a pickle."""
    found = {}
    for part in [""] if kind == "vae" else [f"{part}/" for part in PARTS[kind] if part in WITH_WEIGHTS]:
        text = part.rstrip("/") in TEXT_ENCODERS
        stem, pickle = ("model", "pytorch_model") if text else ("diffusion_pytorch_model",) * 2
        plain = any(Path(directory, f"{part}{stem}.safetensors{end}").is_file() for end in ("", ".index.json"))
        if not plain and Path(directory, f"{part}{pickle}.bin").is_file():
            found[f"{part}{pickle}.bin"] = f"{part}{stem}.safetensors"
    return found


def needs_float32(config: Mapping) -> bool:
    """Whether the config of a vae says that it overflows in float16, so that it runs in float32 there."""
    return bool(config.get("force_upcast"))


def _header(file: Path) -> dict[str, tuple[int, ...]]:
    try:
        header, _ = read_header(file)
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError) as error:
        raise RetortError(f"{file} is not a whole safetensors file: {error}; fetch it again") from None


def _missing(folder: Path, kind: str) -> list[str]:
    missing = [file for file in NEEDED[kind] if not (folder / file).is_file()]
    for tokenizer in (part for part in PARTS[kind] if part.startswith("tokenizer")):
        held = {file.name for file in (folder / tokenizer).glob("*")}
        if "tokenizer.json" not in held and not {"vocab.json", "merges.txt"} <= held:
            missing.append(f"{tokenizer}/tokenizer.json (or vocab.json and merges.txt)")
    return missing


def _vae(folder: Path) -> Contents:
    config, shapes = read_json(folder / "config.json"), read_shapes(folder)
    channels = config["latent_channels"]
    _agree(folder, {"latent channels": (channels, _width(shapes, "decoder.conv_in.weight"))})
    return Contents(channels, shrink=2 ** (len(config["block_out_channels"]) - 1))


def _dit(folder: Path, shapes: Shapes) -> Contents:
    config = read_json(folder / "config.json")
    if config.get("norm_type") != "ada_norm_zero":
        raise RetortError(
            f"{folder} is no class-conditional DiT: its norm_type is {config.get('norm_type')!r}, where "
            "'ada_norm_zero' is needed"
        )
    blocks = {name.split(".")[1] for name in shapes if name.startswith("transformer_blocks.")}
    table = shapes.get("transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight", (1,))
    facts = {
        "layers": (config["num_layers"], len(blocks)),
        "latent channels": (config["in_channels"], _width(shapes, "pos_embed.proj.weight")),
        "classes": (config["num_embeds_ada_norm"], table[0] - 1),  # the last row is the null class
    }
    _agree(folder, facts)
    return Contents(config["in_channels"], config["sample_size"], config["num_embeds_ada_norm"])


def _unet(folder: Path, shapes: Mapping[str, Shapes]) -> Contents:
    config = read_json(folder / "unet" / "config.json")
    _agree(folder / "unet", {"latent channels": (config["in_channels"], _width(shapes["unet"], "conv_in.weight"))})
    encoders = [part for part in shapes if part in TEXT_ENCODERS]
    given = sum(read_json(folder / part / "config.json")["hidden_size"] for part in encoders)
    taken = config["cross_attention_dim"]
    if given != (taken[0] if isinstance(taken, list) else taken):
        raise RetortError(
            f"{folder}: its UNet takes text embeddings of width {taken}, but {' and '.join(encoders)} give {given}; "
            "its parts are of different models, or its kind is another"
        )
    return Contents(config["in_channels"])


def _width(shapes: Shapes, name: str) -> int | None:
    """The second dimension of a weight: its input channels."""
    return shapes[name][1] if len(shapes.get(name, ())) > 1 else None


def _agree(folder: Path, facts: dict[str, tuple]) -> None:
    for what, (said, found) in facts.items():
        if said != found:
            raise RetortError(
                f"{folder / 'config.json'} says {said} {what}, but the weights beside it have {found}; take both from "
                "one place"
            )
