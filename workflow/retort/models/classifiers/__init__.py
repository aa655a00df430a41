"""Classifiers that teachers and students are made of; input (N, 3, h, w) normalised, output logits (N, K)."""

from torch import Tensor, nn

from retort.config.architectures import ARCHITECTURES
from retort.models.classifiers.convnet import ConvNet
from retort.models.classifiers.resnet import ResNet
from retort.models.classifiers.small_resnet import SmallResNet
from retort.models.pixels import constant

FAMILIES = {"small_resnet": SmallResNet, "convnet": ConvNet, "resnet": ResNet}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build_classifier(arch: str, classes: int, resolution: int) -> nn.Module:
    """A fresh network for `arch`, ours or one of timm; its weights come from torch's global generator.

    Raises RetortError when the network cannot take images of `resolution` pixels a side.
    """
    if arch in ARCHITECTURES:
        settings = dict(ARCHITECTURES[arch])
        return FAMILIES[settings.pop("family")](classes, resolution, **settings)
    # Late, because it takes seconds that our own networks need not wait for.
    from retort.models.classifiers.from_timm import build_timm

    return build_timm(arch, classes, resolution)


def normalised(images: Tensor) -> Tensor:
    """Images in [-1, 1] as every classifier here takes them: ImageNet's mean and standard deviation."""
    mean, std = (constant(values, images.device).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return ((images + 1) / 2 - mean) / std


def features_and_logits_of(module: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """(N, D) what the last layer sees of normalised images, and (N, K) what it makes of it."""
    if hasattr(module, "forward_features"):  # timm's
        seen = module.forward_features(images)
        return module.forward_head(seen, pre_logits=True).flatten(1), module.forward_head(seen)
    features = module.features(images)
    return features, module.head(features)


def head_of(module: nn.Module) -> nn.Module:
    """The last layer, which has one row of weights per class."""
    return module.get_classifier() if hasattr(module, "get_classifier") else module.head
