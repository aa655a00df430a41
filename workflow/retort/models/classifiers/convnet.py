"""The ConvNet on which the field measures distilled sets."""

from torch import Tensor, nn
from torch.nn import functional as F

from retort.base.errors import RetortError
from retort.models.classifiers.norms import build_norm


class ConvNet(nn.Module):
    """depth x (3x3 conv, norm, ReLU, 2x2 average pool), then a linear layer (Gidaris and Komodakis 2018).

    norm: "instance" in Minimax's and IDC's code, "batch" in RDED's. Weights are named as in both, so that their
    checkpoints load. Raises RetortError for images that halve to nothing.
    """

    def __init__(self, classes: int, resolution: int, width: int, depth: int, norm: str = "instance"):
        super().__init__()
        if resolution < 2**depth:
            raise RetortError(
                f"a ConvNet of depth {depth} halves its images {depth} times, so they need at least {2**depth} pixels "
                f"a side; these have {resolution}. Name a shallower one"
            )
        inputs = (3, *[width] * (depth - 1))
        self.layers = nn.ModuleDict(
            {
                "conv": nn.ModuleList(nn.Conv2d(channels, width, 3, padding=1) for channels in inputs),
                "norm": nn.ModuleList(build_norm(norm, width) for _ in inputs),
            }
        )
        self.classifier = nn.Linear(width * (resolution // 2**depth) ** 2, classes)

    @property
    def head(self) -> nn.Linear:
        return self.classifier

    def features(self, x: Tensor) -> Tensor:
        """(N, D): what the last layer sees."""
        for conv, norm in zip(self.layers["conv"], self.layers["norm"], strict=True):
            x = F.avg_pool2d(F.relu(norm(conv(x))), 2)
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))
