"""Teachers: saved with what they are and what they want to see, measured before they are believed."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.nn import functional as F

from retort.base.devices import pick_device
from retort.base.errors import RetortError
from retort.base.files import read_json, write_json
from retort.base.filesystems import backend_for
from retort.models.classifiers import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    build_classifier,
    features_and_logits_of,
    head_of,
    normalised,
)
from retort.models.health import NameOf, check_finite
from retort.models.pixels import images_on
from retort.models.precision import logits_in


class Teacher(nn.Module):
    """A classifier that takes what every classifier here takes, and gives its network what that was trained on.

    Images (N, 3, h, h) normalised with ImageNet's statistics are resized to the network's side and renormalised to
    its own mean and standard deviation, each where it differs.
    """

    def __init__(
        self,
        network: nn.Module,
        resolution: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        interpolation: str = "bilinear",
    ):
        super().__init__()
        self.network, self.resolution, self.interpolation = network, resolution, interpolation
        self._renormalise = (tuple(mean), tuple(std)) != (IMAGENET_MEAN, IMAGENET_STD)
        ours, own = (torch.tensor([m, s]).view(2, 3, 1, 1) for m, s in ((IMAGENET_MEAN, IMAGENET_STD), (mean, std)))
        self.register_buffer("gain", ours[1] / own[1], persistent=False)
        self.register_buffer("offset", (ours[0] - own[0]) / own[1], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, K) logits."""
        return self.network(self._seen(images))

    def features(self, images: Tensor) -> Tensor:
        """(N, D): what the network's last layer sees."""
        return self.features_and_logits(images)[0]

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return features_and_logits_of(self.network, self._seen(images))

    def unnormalised(self, images: Tensor) -> Tensor:
        """(N, K) logits of images that reach the network as they are, but for their size."""
        return self.network(self._sized(images))

    def _seen(self, images: Tensor) -> Tensor:
        images = self._sized(images)
        return images * self.gain + self.offset if self._renormalise else images

    def _sized(self, images: Tensor) -> Tensor:
        side = (self.resolution, self.resolution)
        if images.shape[2:] == side:
            return images
        return F.interpolate(images, side, mode=self.interpolation, antialias=True)


@torch.no_grad()
def logits_of(
    module: nn.Module,
    pixels: np.ndarray,
    batch: int = 256,
    normalise: bool = True,
    progress: Callable[[Sequence], Iterable] = iter,
    precision: str = "float32",
) -> Tensor:
    """(N, K) float32 logits on the CPU for pixels (N, h, h, 3) uint8; progress shows how its batches go by.

    normalise False feeds images in [-1, 1] as they are, which no teacher was trained on but CaO2's code does.
    precision: see `logits_in`.
    """
    device = next(module.parameters()).device
    chunks = (images_on(device, np.array(pixels[i : i + batch])) for i in progress(range(0, len(pixels), batch)))
    raw = module.unnormalised if isinstance(module, Teacher) else module
    network, seen = (module, map(normalised, chunks)) if normalise else (raw, chunks)
    return torch.cat([logits_in(network, images, precision).float().cpu() for images in seen])


@torch.no_grad()
def features_and_logits(module: nn.Module, pixels: np.ndarray, batch: int = 256) -> tuple[Tensor, Tensor]:
    """(N, D) and (N, K) float32 on the CPU, in one pass: what the last layer sees, and what it makes of it."""
    device = next(module.parameters()).device
    chunks = (normalised(images_on(device, np.array(pixels[i : i + batch]))) for i in range(0, len(pixels), batch))
    both = module.features_and_logits if isinstance(module, Teacher) else lambda c: features_and_logits_of(module, c)
    features, logits = zip(*((f.float().cpu(), x.float().cpu()) for f, x in map(both, chunks)), strict=True)
    return torch.cat(features), torch.cat(logits)


def check_seen(seen: Tensor | np.ndarray, name_of: NameOf) -> None:
    """Raises RetortError naming whose image it is of which features or logits (N, ...) are not finite."""
    remedy = "its weights are corrupt or its training went wrong: delete its folder, and lower train.lr if it has one"
    check_finite(seen, name_of, "what the teacher sees in the image is", remedy)


def check_kept(logits: Tensor | np.ndarray, name_of: NameOf) -> None:
    """The same of logits (N, ...) in float16, as labels are kept."""
    remedy = "float16 holds numbers up to 65,504: train the teacher again at a lower train.lr, or name another"
    check_finite(logits, name_of, "the teacher's logits are", remedy)


def accuracy(logits: Tensor, labels: np.ndarray) -> float:
    """Top-1 as a fraction."""
    return (logits.argmax(1).numpy() == labels).mean().item()


def cut_head(network: nn.Module, has: Sequence[str], wanted: Sequence[str]) -> None:
    """Keep of the last layer the rows of the wanted class ids, in their order; `has` are the ids of all its rows.

    Raises RetortError when ids are missing, or when the layer has other rows than `has` has ids.
    """
    head, row_of = head_of(network), {class_id: row for row, class_id in enumerate(has)}
    if missing := [class_id for class_id in wanted if class_id not in row_of]:
        raise RetortError(
            f"{len(missing)} of the data set's {len(wanted)} classes are not among the {len(has)} that the teacher "
            f"knows, {', '.join(missing[:5])} for some; class ids must be those that its head was trained with "
            "(for ImageNet the wnids, such as n01440764)"
        )
    if not isinstance(head, nn.Linear) or head.out_features != len(has):
        found = head if isinstance(head, nn.Linear) else f"a {type(head).__name__}"
        raise RetortError(f"the teacher's last layer is {found}, but must be a linear layer of {len(has)} classes")
    rows = torch.tensor([row_of[class_id] for class_id in wanted])
    head.weight = nn.Parameter(head.weight.detach()[rows].clone())
    if head.bias is not None:
        head.bias = nn.Parameter(head.bias.detach()[rows].clone())
    head.out_features = len(wanted)


def save_teacher(
    module: nn.Module,
    directory: Path,
    arch: str,
    classes: Sequence[str],
    resolution: int,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    interpolation: str = "bilinear",
) -> None:
    """Weights as safetensors, and what they are for beside them; classes: ids in the order of the last layer."""
    save_model(module, str(directory / "model.safetensors"))
    settings = {"arch": arch, "resolution": resolution, "classes": list(classes)}
    seen = {"mean": list(mean), "std": list(std), "interpolation": interpolation}
    write_json(directory / "teacher.json", settings | seen)


def load_teacher(directory: str | Path, classes: Sequence[str]) -> Teacher:
    """The teacher on this job's device, in evaluation mode. Raises RetortError when its class order is another."""
    settings = read_json(Path(directory, "teacher.json"))
    if settings["classes"] != list(classes):
        raise RetortError(
            f"{directory} was trained for classes {settings['classes']}, the data set has {list(classes)}"
        )
    network = build_classifier(settings["arch"], len(classes), settings["resolution"])
    weights = Path(directory, "model.safetensors")
    load_model(network, str(weights), backend=backend_for(weights))
    return at_work(network, settings)


def at_work(network: nn.Module, settings: dict) -> Teacher:
    """A network and its teacher.json on this job's device, in evaluation mode."""
    seen = {key: settings[key] for key in ("mean", "std", "interpolation")}
    teacher = Teacher(network, settings["resolution"], **seen)
    return teacher.to(pick_device(), memory_format=torch.channels_last).eval().requires_grad_(False)
