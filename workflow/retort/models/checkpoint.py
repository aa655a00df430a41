"""Weights of a classifier that somebody else saved: read without running code, fitted strictly."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from retort.data.filesystems import backend_for
from retort.errors import RetortError
from retort.models.pickled import read_pickled

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile


def read_weights(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a checkpoint, out of what training loops wrap around it.

    Raises RetortError when it is unreadable or holds anything but tensors and plain values: a pickle can run code.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else read_pickled(path)
    while wrapper := next(
        (w for w in WRAPPERS if isinstance(content, Mapping) and isinstance(content.get(w), Mapping)), None
    ):
        content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise RetortError(f"{path} is no state_dict: it must map names to tensors")
    return {_bare(name): value for name, value in content.items()}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path, backend=backend_for(path))
    except Exception as error:  # the library's own kinds of error
        raise RetortError(f"{path} cannot be read as a checkpoint: {error}") from None


def fit_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path, arch: str) -> None:
    """Put the weights into the network. Raises RetortError, with the likely cause, unless names and shapes agree."""
    own = network.state_dict()
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
    last = list(own)[-2:]  # the last layer's weight and bias
    if shapes and not missing and not unexpected and set(shapes) <= set(last):
        found, needed = next(iter(shapes.values()))
        if found[0] != needed[0]:
            return (
                f"its last layer is for {found[0]} classes, but {needed[0]} are named; say in `classes` whose they are "
                "(dataset, imagenet1k or a subset)"
            )
        return "it was trained at another image side; give it as `resolution`"
    if any(name.endswith("running_mean") for name in (*missing, *unexpected)) and not shapes:
        return (
            "one has batch norm, the other instance norm (such as convnet3_bn and convnet3, resnet18 and resnet18_in)"
        )
    return "it is of another architecture"
