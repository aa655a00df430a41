"""ImageNet's residual networks as the field trains them on distilled sets: other norms, other stems, other strides.

Plain ones (resnet18, ...) are timm's. Weights are named as torchvision's, so that checkpoints of RDED's
resnet18_modified load; those of IDC, Minimax and CoDA differ in the stem's names only (`checkpoint.with_bare_stem`).
"""

from torch import Tensor, nn
from torch.nn import functional as F

from retort.models.classifiers.norms import build_norm

WIDTHS = (64, 128, 256, 512)


class ResNet(nn.Module):
    """A residual network (He et al. 2016, section 4.1) of `blocks` blocks per stage.

    bottleneck: three convolutions a block, as from ResNet-50 on, in place of two. norm: "instance" or "batch".
    pooled: strides are average pools after stride-1 convolutions (IDC's ResNetAP). stem: "large" (7x7 and a pool by
    4 in all), "mid" (3x3 and a pool by 2) or "small" (3x3 alone); "by size", as Minimax and IDC choose: small up to
    64 pixels, mid up to 128, large beyond.
    """

    def __init__(
        self,
        classes: int,
        resolution: int,
        blocks: tuple[int, ...],
        bottleneck: bool = False,
        norm: str = "instance",
        pooled: bool = False,
        stem: str = "by size",
    ):
        super().__init__()
        if stem == "by size":
            stem = "small" if resolution <= 64 else "mid" if resolution <= 128 else "large"
        side = 7 if stem == "large" else 3
        stride = 2 if stem == "large" and not pooled else 1
        self.conv1 = nn.Conv2d(3, WIDTHS[0], side, stride, side // 2, bias=False)
        self.bn1 = build_norm(norm, WIDTHS[0])
        self.pool = _stem_pool(stem, pooled)
        block, inputs = _Bottleneck if bottleneck else _Basic, WIDTHS[0]
        for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True)):
            members = []
            for i in range(count):
                members.append(block(inputs, width, 2 if stage and not i else 1, norm, pooled))
                inputs = width * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*members))
        self.fc = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def head(self) -> nn.Linear:
        return self.fc

    def features(self, x: Tensor) -> Tensor:
        """(N, D): what the last layer sees."""
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


def _stem_pool(stem: str, pooled: bool) -> nn.Module:
    if stem == "small":
        return nn.Identity()
    if pooled:
        return nn.AvgPool2d(4 if stem == "large" else 2)
    return nn.MaxPool2d(3, 2, 1)


def _shortcut(inputs: int, outputs: int, stride: int, norm: str, pooled: bool) -> nn.Sequential | None:
    """A 1x1 convolution where the shape changes."""
    if inputs == outputs and stride == 1:
        return None
    if pooled:
        convolution = [nn.Conv2d(inputs, outputs, 1, bias=False), nn.AvgPool2d(stride)]
    else:
        convolution = [nn.Conv2d(inputs, outputs, 1, stride, bias=False)]
    return nn.Sequential(*convolution, build_norm(norm, outputs))


class _Basic(nn.Module):
    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, norm: str, pooled: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, 1 if pooled else stride, 1, bias=False)
        self.bn1 = build_norm(norm, width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = build_norm(norm, width)
        self.downsample = _shortcut(inputs, width, stride, norm, pooled)
        self.stride = stride if pooled else 1

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(x)))
        if self.stride > 1:
            inner = F.avg_pool2d(inner, self.stride)
        return F.relu(self.bn2(self.conv2(inner)) + (self.downsample(x) if self.downsample else x))


class _Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, norm: str, pooled: bool):
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = build_norm(norm, width)
        self.conv2 = nn.Conv2d(width, width, 3, 1 if pooled else stride, 1, bias=False)
        self.bn2 = build_norm(norm, width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = build_norm(norm, outputs)
        self.downsample = _shortcut(inputs, outputs, stride, norm, pooled)
        self.stride = stride if pooled else 1

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = F.relu(self.bn2(self.conv2(inner)))
        if self.stride > 1:
            inner = F.avg_pool2d(inner, self.stride)
        return F.relu(self.bn3(self.conv3(inner)) + (self.downsample(x) if self.downsample else x))
