"""Classifiers that teachers and students are made of; input (N, 3, h, w) normalised, output logits (N, K)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retort.config.architectures import ARCHITECTURES


def build_classifier(arch: str, classes: int, resolution: int) -> nn.Module:
    """A fresh network for `arch`; its weights come from torch's global generator."""
    settings = dict(ARCHITECTURES[arch])
    return {"resnet": ResNet, "convnet": ConvNet}[settings.pop("family")](classes, resolution, **settings)


def normalised(images: Tensor) -> Tensor:
    """Images in [-1, 1] as every classifier here takes them: ImageNet's mean and standard deviation."""
    mean = torch.tensor([0.485, 0.456, 0.406], device=images.device).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], device=images.device).view(3, 1, 1)
    return ((images + 1) / 2 - mean) / std


class ResNet(nn.Module):
    """The CIFAR residual network (He et al. 2016, section 4.2): one block per width, batch norm."""

    def __init__(self, classes: int, resolution: int, widths: tuple[int, ...]):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        inputs = (widths[0], *widths[:-1])
        self.blocks = nn.Sequential(
            *(_Block(a, b, 1 if i == 0 else 2) for i, (a, b) in enumerate(zip(inputs, widths, strict=True)))
        )
        self.head = nn.Linear(widths[-1], classes)

    def features(self, x: Tensor) -> Tensor:
        """(N, widths[-1]): what the last layer sees."""
        return self.blocks(F.relu(self.stem_norm(self.stem(x)))).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


class ConvNet(nn.Module):
    """The field's ConvNet: depth x (3x3 conv, instance norm, ReLU, 2x2 average pool), then a linear layer."""

    def __init__(self, classes: int, resolution: int, width: int, depth: int):
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [
                nn.Conv2d(3 if i == 0 else width, width, 3, padding=1),
                nn.GroupNorm(width, width),
                nn.ReLU(),
                nn.AvgPool2d(2),
            ]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width * (resolution // 2**depth) ** 2, classes)

    def features(self, x: Tensor) -> Tensor:
        """(N, D): what the last layer sees."""
        return self.layers(x).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))
