"""Residual networks for small images and few cores."""

from torch import Tensor, nn
from torch.nn import functional as F


class SmallResNet(nn.Module):
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
