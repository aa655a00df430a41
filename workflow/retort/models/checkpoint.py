"""Weights that somebody else saved: read without running code, out of what training loops wrap around them."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from retort.base.errors import RetortError, some_of
from retort.base.filesystems import backend_for
from retort.data.layouts.signatures import BEGINNING, known_otherwise
from retort.models.pickled import read_pickled

AVERAGED = ("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "ema")
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
COUNTERS = ("n_averaged",)  # of torch's AveragedModel: no weight of the network
STEM_BLOCK = re.compile(r"(^|\.)layer0\.(?=(?:conv1|bn1)\.)")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a checkpoint, out of what training loops wrap around it.

    Where there are plain and averaged weights, the averaged ones are taken, which are those that are evaluated and
    published, and this is said. Raises RetortError, with what was found, when the file is unreadable, when it holds
    anything but tensors and plain values (a pickle can run code), and when there is no state_dict in it.
    """
    _refuse_other_files(path)
    content = _read_safetensors(path) if path.suffix == ".safetensors" else read_pickled(path)
    while isinstance(content, Mapping):
        averaged, plain = (_first_table(content, names) for names in (AVERAGED, WRAPPERS))
        if averaged and plain:
            print(f"{path} holds plain weights ({plain}) and averaged ones ({averaged}); the averaged are taken")
        if not (averaged or plain):
            break
        content = content[averaged or plain]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise RetortError(
            f"{path} is no state_dict: it must map names to tensors, alone or under one of "
            f"{', '.join((*WRAPPERS, *AVERAGED))}, but holds {_described(content)}"
        )
    return {_bare(name): value for name, value in content.items() if name not in COUNTERS}


def without_common_prefix(weights: Mapping[str, Tensor], own: Collection[str]) -> tuple[dict[str, Tensor], str]:
    """The weights without a prefix that all their names have and no name of the network `own` needs; and that prefix.

    Such as "model." where a network was part of a larger module. As they are, with "", where names fit already, or
    where not all of them have it.
    """
    if set(weights) & set(own) or not own:
        return dict(weights), ""
    wanted = next(iter(own))
    prefixes = [name.removesuffix(wanted) for name in weights if name.endswith(f".{wanted}")]
    for prefix in prefixes:
        if all(name.startswith(prefix) for name in weights):
            return {name.removeprefix(prefix): value for name, value in weights.items()}, prefix
    return dict(weights), ""


def with_bare_stem(weights: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """The weights with `conv1` and `bn1` where IDC, Minimax and CoDA name them `layer0.conv1` and `layer0.bn1`.

    Their ResNets and ResNetAP keep the stem in a block of its own; all other names are torchvision's. Unchanged where
    the network of the names `own` has such a block as well.
    """
    if any(STEM_BLOCK.search(name) for name in own):
        return dict(weights)
    return {STEM_BLOCK.sub(r"\1", name): value for name, value in weights.items()}


def _first_table(content: Mapping, names: Sequence[str]) -> str | None:
    return next((name for name in names if isinstance(content.get(name), Mapping) and content[name]), None)


def _described(content: object) -> str:
    """What a file holds instead, by its keys."""
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    return some_of([f"{key!r} ({type(value).__name__})" for key, value in content.items()]) if content else "nothing"


def _refuse_other_files(path: Path) -> None:
    """Raises RetortError for a file that is empty, or that begins as something known that holds no weights."""
    with open(path, "rb") as handle:
        beginning = handle.read(BEGINNING)
    if not beginning:
        raise RetortError(f"{path} is empty; fetch it again")
    packed = beginning.startswith(b"PK")  # as torch saves; one that is cut short is none that could be unpacked
    if not packed and (found := known_otherwise(beginning)):
        raise RetortError(f"{path} is no checkpoint: it is {found}")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path, backend=backend_for(path))
    except Exception as error:  # the library's own kinds of error
        raise RetortError(f"{path} cannot be read as a checkpoint: {error}; fetch it again") from None


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path, arch: str) -> None:
    """Put the weights into the network. Raises RetortError, with the likely cause, unless names and shapes agree."""
    own = network.state_dict()
    weights, prefix = without_common_prefix(with_bare_stem(weights, own), own)
    if prefix:
        print(f"{path}: all names begin with {prefix!r}, which is taken off")
    missing = [n for n in own if n not in weights and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in weights if n not in own]
    shapes = {n: (tuple(w.shape), tuple(own[n].shape)) for n, w in weights.items() if n in own}
    shapes = {n: pair for n, pair in shapes.items() if pair[0] != pair[1]}
    if not (missing or unexpected or shapes):
        network.load_state_dict(weights, strict=False)
        return
    wrong = [f"{len(missing)} weights are missing ({', '.join(missing[:3])})"] if missing else []
    wrong += [f"{len(unexpected)} are not of this network ({', '.join(unexpected[:3])})"] if unexpected else []
    wrong += [f"{n} is {found}, not {needed}" for n, (found, needed) in list(shapes.items())[:3]]
    cause = _likely_cause(missing, unexpected, shapes, own)
    raise RetortError(f"{path} does not hold the weights of a {arch}: {'; '.join(wrong)}. Likely cause: {cause}")


def _bare(name: str) -> str:
    while prefix := next((p for p in PREFIXES if name.startswith(p)), None):
        name = name.removeprefix(prefix)
    return name


def _likely_cause(
    missing: list[str], unexpected: list[str], shapes: dict[str, tuple], own: Mapping[str, Tensor]
) -> str:
    for found, needed in shapes.values():
        if len(found) == 4 and found[1] == 3 and found[2:] != needed[2:]:
            return (
                f"the checkpoint's stem is {found[2]}x{found[3]}, this network's {needed[2]}x{needed[3]}; name the "
                "architecture with that stem (7x7: resnet18, 3x3 for small images: resnet18_modified)"
            )
        if len(found) == 4 and len(needed) == 4 and needed[1] == 3 and found[1] in (1, 4):
            return f"it takes images of {found[1]} channels, but these have 3; name a teacher of images in colour"
    last = list(own)[-2:]  # the last layer's weight and bias
    if missing and not unexpected and not shapes and set(missing) <= set(last):
        return "it was saved without its last layer, without which it names no class; save the whole network"
    if shapes and not missing and not unexpected and set(shapes) <= set(last):
        found, needed = next(iter(shapes.values()))
        if found[0] != needed[0]:
            return (
                f"its last layer is for {found[0]} classes, but {needed[0]} are named; say in `classes` which they are "
                "(dataset, imagenet1k or a subset)"
            )
        return "it was trained at another image side; give it as `resolution`"
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    if not shapes and all(name.endswith(statistics) for name in (*missing, *unexpected)):
        return (
            "one has batch norm, the other instance norm (such as convnet3_bn and convnet3, resnet18 and resnet18_in)"
        )
    return "it is of another architecture"
