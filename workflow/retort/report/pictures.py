"""Pictures as part of the page."""

import base64
import io
from pathlib import Path

from PIL import Image

WIDEST = 1000  # pixels


def data_uri(path: str | Path) -> str:
    """A picture as a data URI, no wider than WIDEST: PNG, or WebP where that is smaller."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    png, webp = (_encoded(picture, format=form, **how) for form, how in (("PNG", {"optimize": True}), ("WEBP", WEBP)))
    kind, content = ("png", png) if len(png) <= len(webp) else ("webp", webp)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


WEBP = {"quality": 82, "method": 4}


def _encoded(picture: Image.Image, **how) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **how)
    return buffer.getvalue()


def picture_of(path: str | Path, alt: str, caption: str = "") -> dict:
    """What the page shows: source, alternative text, caption, size in pixels."""
    with Image.open(path) as opened:
        width, height = opened.size
    return {"src": data_uri(path), "alt": alt, "caption": caption, "width": width, "height": height}


def class_pictures(folder: str, names: dict[int, str]) -> list[dict]:
    """One sheet for each class, see draw_classes; `names` by label index, which a sheet's file name ends with."""
    found = []
    for file in sorted(Path(folder).glob("class-*.png")):
        name = names[int(file.stem.rsplit("-", 1)[1])]
        alt = f"Class {name}: real images in the first row, then one row of distilled images for each method"
        found.append(picture_of(file, alt, name))
    return found


def method_pictures(paths: list[str], method: str, discoveries: list[str], inversion: str | None) -> list[dict]:
    """Of the contact sheets and pictures of how methods work, those of one, by the folder and name of their file."""
    found = []
    for path in map(Path, paths):
        kind, name = path.parent.name, path.stem
        if kind == "sets" and name.rsplit("-ipc", 1)[0] == method:
            count = name.rsplit("-ipc", 1)[1]
            caption = "The whole training set" if count == "all" else f"Distilled set, {count} per class"
            alt = (
                f"{caption} by {method}: one row for each class, real training images on the left, the set on the right"
            )
        elif kind == "refinement" and name.rsplit("-ipc", 1)[0] == method:
            caption = f"Refinement, {name.rsplit('-ipc', 1)[1]} per class"
            alt = f"Images of {method} before and after refinement, and eight times the difference around grey"
        elif kind == "typicality" and name == method:
            caption = "Typicality of real images"
            alt = f"Real images with their typicality for {method}, orange where typical, and the windows that were cut"
        elif kind == "inversion" and name == inversion:
            caption = f"Inversion {inversion}"
            alt = (
                f"Spread of each class's latents inverted by {inversion}, beside the expected one, and how far these "
                "and clean latents are from normal"
            )
        elif kind == "discovery" and (discovery := name.rsplit("-n", 1)[0]) in discoveries:
            caption = f"Discovery {discovery}"
            alt = (
                f"Clusters of each class's real images in two dimensions, stars for the representatives of {discovery}"
            )
        else:
            continue
        found.append(picture_of(path, alt, caption))
    return found
