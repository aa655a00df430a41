"""Whether the fetched models fit the data set and each other, before anything is computed with them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from retort.base.errors import RetortError, some_of
from retort.base.files import read_json, write_rows
from retort.data.imagenet import subset_classes
from retort.models.contents import Contents, read_contents

COLUMNS = ["name", "kind", "source", "revision", "bytes", "sha256", "classes", "latents", "checked"]


@dataclass(frozen=True)
class Encoder:
    """An encoder at work: image side in pixels, and the channels it is trained with; None for one from elsewhere."""

    resolution: int
    training: Mapping | None = None


@dataclass(frozen=True)
class Use:
    """A fetched model and the encoder on whose latents it works.

    classes: whose classes it knows ("dataset", or a list of `retort.data.imagenet`); None where it takes prompts.
    starts: it is only what another one's training starts from, so that its classes may be any. decoder: what turns its
    latents into images, where that is not the encoder.
    """

    model: str
    encoder: str
    classes: str | None = None
    starts: bool = False
    decoder: str | None = None


def check_models(
    models: Sequence[str],
    csv: str,
    *,
    kinds: Mapping[str, str],
    encoders: Mapping[str, Encoder],
    uses: Sequence[Use],
    class_ids: Sequence[str],
) -> None:
    """CSV of what was fetched and what it was checked for: a row for each model.

    models: directories. kinds: name -> kind of each, in the same order. class_ids: those of the data set. Raises
    RetortError naming everything that does not fit: latents of another shape than the encoder makes, another number of
    classes, classes that a model does not know.
    """
    directories = dict(zip(kinds, models, strict=True))
    contents = {name: read_contents(directory, kinds[name]) for name, directory in directories.items()}
    shapes, problems = {}, []
    for name, encoder in encoders.items():
        shapes[name] = _latent_shape(encoder, contents.get(name))
        if shapes[name] is None:
            shrink = _shrink(encoder, contents.get(name))
            problems.append(f"models.{name}: {encoder.resolution} pixels are no multiple of {shrink}")
    for use in uses:
        if made := shapes[use.encoder]:
            problems += _misfit(use, contents[use.model], made, encoders[use.encoder].resolution)
        if use.decoder and made and shapes[use.decoder] not in (made, None):
            problems.append(
                f"models.{use.model}: its decoder {use.decoder} reads latents {shapes[use.decoder]}, but its encoder "
                f"{use.encoder} makes {made}; name a decoder of the same latents"
            )
        problems += _strangers(use, contents[use.model], class_ids)
    if problems:
        raise RetortError("the models do not fit together:" + "".join(f"\n  - {problem}" for problem in problems))
    rows = [_row(name, kinds[name], directory, contents[name]) for name, directory in directories.items()]
    for row in rows:
        row["checked"] = "; ".join(["files whole", *_checks(row["name"], uses, shapes, len(class_ids))])
        print(f"{row['name']}: {row['checked']}")
    write_rows(csv, COLUMNS, rows)


def _latent_shape(encoder: Encoder, found: Contents | None) -> tuple[int, int, int] | None:
    """(C, H, W) of the latents that an encoder makes; None where its images cannot be halved that often."""
    channels = encoder.training["latent_channels"] if encoder.training else found.channels
    side, rest = divmod(encoder.resolution, _shrink(encoder, found))
    return None if rest else (channels, side, side)


def _shrink(encoder: Encoder, found: Contents | None) -> int:
    """How many pixels of an image make one of a latent."""
    return 2 ** (len(encoder.training["channels"]) - 1) if encoder.training else found.shrink


def _misfit(use: Use, model: Contents, made: tuple[int, int, int], resolution: int) -> Iterator[str]:
    takes = (model.channels, *[model.side or made[1]] * 2)
    if takes != made:
        yield (
            f"models.{use.model}: works on latents {takes}, but its encoder {use.encoder} makes {made} at "
            f"{resolution} pixels; name the encoder that it was trained with, or set the resolution of that one"
        )


def _strangers(use: Use, model: Contents, class_ids: Sequence[str]) -> Iterator[str]:
    if use.classes is None or (use.starts and use.classes == "dataset"):
        return
    listed = list(class_ids) if use.classes == "dataset" else subset_classes(use.classes)
    place = f"models.{use.model}: knows {model.classes} classes"
    if len(listed) != model.classes:
        owner = "the data set" if use.classes == "dataset" else use.classes
        yield (
            f"{place}, but {owner} has {len(listed)}; say which it knows (classes: imagenet1k, for example), "
            "or train one on this data set (train: {from: ...})"
        )
    elif not use.starts and (unknown := [c for c in class_ids if c not in set(listed)]):
        yield (
            f"{place} of {use.classes}, but not {some_of(unknown)} of the data set; "
            "train one on this data set (train: {from: ...})"
        )


def _row(name: str, kind: str, directory: str, found: Contents) -> dict:
    origin = read_json(f"{directory}/origin.json")
    files = origin["files"]
    listing = "".join(f"{known['sha256']}  {file}\n" for file, known in sorted(files.items()))
    return {
        "name": name,
        "kind": kind,
        "source": origin["source"],
        "revision": origin["revision"] or "",
        "bytes": sum(known["bytes"] for known in files.values()),
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
        "classes": found.classes or "",
        "latents": "x".join(str(n) for n in (found.channels, *[found.side] * 2) if n),
    }


def _checks(name: str, uses: Iterable[Use], shapes: Mapping, count: int) -> Iterator[str]:
    """In words, what was found right of a model."""
    for use in uses:
        if use.model == name:
            yield f"fits the latents {'x'.join(map(str, shapes[use.encoder]))} of {use.encoder}"
            if use.classes and not use.starts:
                yield f"knows all {count} classes of the data set"
