"""Numbers of different parts of the config that must fit each other: of what is trained here, and of mosaics."""

from collections.abc import Iterator

from retort.config.schema import Config
from retort.config.schema.models import DitTraining, VaeModel
from retort.parts.compositions import Composition


def misfits(config: Config) -> Iterator[str]:
    """One line for each side of images, latents or patches that another part of the config does not divide, and each
    method that would keep fewer patches than its mosaics take."""
    for name, model in config.models.items():
        if isinstance(model, VaeModel) and model.train:
            yield from _halvings(name, model, config)
        elif isinstance(model.train, DitTraining):
            yield from _width(name, model.train)
            encoder = config.models.get(model.encoder)
            if isinstance(encoder, VaeModel) and encoder.train:
                yield from _patches(name, model.train.patch, model.encoder, encoder, config)

    for name, method in config.methods.items():
        asked = [ipc for run in config.runs if name in run.methods for ipc in run.ipc or []]
        if method.compose and asked:
            yield from _kept_patches(f"methods.{name}.compose", method.compose, max(asked))


def _kept_patches(place: str, compose: Composition, ipc: int) -> Iterator[str]:
    most = compose.score.most_patches()
    if most.count < (needed := ipc * compose.grid**2):
        yield (
            f"{place}.score.{most.key}: {most.count} {most.what}, but ipc {ipc} of {compose.grid} x {compose.grid} "
            f"patches takes {needed}; raise it to that, or ask for ipc {most.count // compose.grid**2} at most"
        )


def _sides(model: VaeModel, config: Config) -> dict[str, int]:
    """Where it is trained and where it works."""
    return {"dataset.resolution": config.dataset.resolution} | (
        {"resolution": model.resolution} if model.resolution else {}
    )


def _shrink(model: VaeModel) -> int:
    """Pixels along a side that one of a latent stands for: each block but the last halves."""
    return 2 ** (len(model.train.channels) - 1)


def _halvings(name: str, model: VaeModel, config: Config) -> Iterator[str]:
    for place, side in _sides(model, config).items():
        if side % _shrink(model):
            yield (
                f"models.{name}.train.channels: {len(model.train.channels)} blocks halve a side "
                f"{len(model.train.channels) - 1} times, but {place} {side} is no multiple of {_shrink(model)}; "
                f"{_near(side, _shrink(model))}"
            )


def _patches(name: str, patch: int, encoder_name: str, encoder: VaeModel, config: Config) -> Iterator[str]:
    side, shrink = encoder.resolution or config.dataset.resolution, _shrink(encoder)
    place = f"models.{encoder_name}.resolution" if encoder.resolution else "dataset.resolution"
    if side % shrink == 0 and side // shrink % patch:
        yield (
            f"models.{name}.train.patch: {place} {side} makes latents of {side // shrink}, which patch {patch} does "
            f"not divide; {_near(side, shrink * patch)}"
        )


def _width(name: str, train: DitTraining) -> Iterator[str]:
    width = train.heads * train.head_dim
    if width % 4:
        yield (
            f"models.{name}.train: heads {train.heads} times head_dim {train.head_dim} is a width of {width}, but "
            "positions are embedded as sines and cosines along two axes, so it must be a multiple of 4"
        )


def _near(side: int, unit: int) -> str:
    below, above = side // unit * unit, -(-side // unit) * unit
    return f"{below} or {above} do" if below else f"{above} does"
