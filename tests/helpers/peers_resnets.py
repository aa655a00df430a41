"""The field's instance-norm ResNets, written down by the names that their published checkpoints have.

IDC, Minimax and CoDA keep the stem in a block called `layer0`; everything after it is named as torchvision names it.
Written for these tests, of torch's modules alone: nothing here is shared with the networks that are tested.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 128, 256, 512)


def tree(**members: nn.Module) -> nn.Module:
    holder = nn.Module()
    for name, member in members.items():
        holder.add_module(name, member)
    return holder


def conv(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)


def norm(kind: str, width: int) -> nn.Module:
    return nn.GroupNorm(width, width) if kind == "instance" else nn.BatchNorm2d(width)


class Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3, 1x1 where `bottleneck`; `pools`: a stride is an average pool."""

    def __init__(self, inputs: int, width: int, stride: int, kind: str, pools: bool, bottleneck: bool):
        super().__init__()
        outputs, step = width * (4 if bottleneck else 1), 1 if pools else stride
        sides = (1, 3, 1) if bottleneck else (3, 3)
        widths = (inputs, *[width] * (len(sides) - 1), outputs)
        self.count, self.strided, self.pool = len(sides), sides.index(3) + 1, stride if pools else 1
        for i, side in enumerate(sides, 1):
            self.add_module(f"conv{i}", conv(widths[i - 1], widths[i], side, step if i == self.strided else 1))
            self.add_module(f"bn{i}", norm(kind, widths[i]))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            pooled = [nn.AvgPool2d(stride, stride)] if pools else []
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, step), *pooled, norm(kind, outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for i in range(1, self.count + 1):
            out = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(out))
            if i < self.count:
                out = F.relu(out)
            if i == self.strided and self.pool > 1:
                out = F.avg_pool2d(out, self.pool)
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class PeersResNet(nn.Module):
    """`pools`: ResNetAP. The stem follows the side of the images: up to 64 pixels, up to 128, beyond."""

    def __init__(
        self, classes: int, size: int, blocks: tuple[int, ...], kind: str = "instance", pools: bool = False,
        bottleneck: bool = False,
    ):  # fmt: skip
        super().__init__()
        large = size > 128
        stem = conv(3, 64, 7, 1 if pools else 2) if large else conv(3, 64, 3)
        self.layer0 = tree(conv1=stem, bn1=norm(kind, 64))
        self.size, self.pools, inputs = size, pools, 64
        for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True), 1):
            members = []
            for i in range(count):
                members.append(Block(inputs, width, 2 if stage > 1 and not i else 1, kind, pools, bottleneck))
                inputs = width * (4 if bottleneck else 1)
            self.add_module(f"layer{stage}", nn.Sequential(*members))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.layer0.bn1(self.layer0.conv1(x)))
        if self.size > 64:
            x = F.avg_pool2d(x, 4 if self.size > 128 else 2) if self.pools else F.max_pool2d(x, 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(F.avg_pool2d(x, x.shape[-1]).flatten(1))


def scattered(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network in evaluation mode with all weights and statistics drawn, so that no two can be swapped unseen."""
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not value.is_floating_point():
                continue
            spread = 0.05 if value.ndim > 1 else 0.3
            noise = torch.randn(value.shape, generator=drawn) * spread
            value.copy_(noise.abs() + 0.5 if name.endswith(("running_var", "bn1.weight", "bn2.weight")) else noise)
    return network.eval()
