"""Networks of timm: fresh ones under any of its names, and its ImageNet weights from a file."""

from pathlib import Path

import timm
from torch import nn

from retort.base.errors import RetortError

RESNETS = "timm.models.resnet"


def build_timm(arch: str, classes: int, resolution: int) -> nn.Module:
    """A fresh network. ResNets begin as torchvision's, which the papers train: no norm weight is zero at first.

    Raises RetortError when the network takes images of one size only, which is not `resolution`.
    """
    beginning = {"zero_init_last": False} if timm.models.model_entrypoint(arch).__module__ == RESNETS else {}
    try:
        return timm.create_model(arch, num_classes=classes, **beginning, **_sized(arch, resolution))
    except (TypeError, AssertionError, ValueError) as error:
        raise RetortError(f"timm's {arch} cannot be built for {resolution} pixels: {error}") from None


def load_timm(name: str, weights: Path, resolution: int) -> nn.Module:
    """The network `arch.tag`, all classes, with the weights that timm gives out for it, read from a file.

    Position embeddings are resampled where the resolution is not that of the weights. Raises RetortError when the
    file holds other weights.
    """
    overlay = {"file": str(weights)}
    try:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **_sized(name, resolution))
    except (RuntimeError, KeyError, TypeError, AssertionError) as error:
        raise RetortError(
            f"{weights} does not hold the weights of timm's {name} for {resolution} pixels: {error}"
        ) from None


def pretrained_facts(name: str) -> timm.models.PretrainedCfg:
    """What timm knows of the weights `arch.tag`: hub id, input size, mean, std, interpolation, number of classes.

    Raises RetortError when there are none under this name.
    """
    try:
        facts = timm.models.get_pretrained_cfg(name)
    except RuntimeError:
        facts = None
    if facts is None or not facts.hf_hub_id:
        known = ", ".join(timm.list_models(f"{name.partition('.')[0]}.*", pretrained=True)) or "none"
        raise RetortError(f"timm has no weights called {name!r}; of this architecture it has {known}")
    return facts


def _sized(name: str, resolution: int) -> dict[str, int]:
    """The argument that a network of one image size needs in order to take another."""
    facts = timm.models.get_pretrained_cfg(name)
    if facts is None or not facts.fixed_input_size or resolution == facts.input_size[-1]:
        return {}
    return {"img_size": resolution}
