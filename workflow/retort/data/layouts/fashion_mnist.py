"""Fashion-MNIST: a tenth of it that comes with Retort, or all of it from the IDX files as published."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from retort.base.errors import RetortError, some_of
from retort.data.layouts.idx import read_idx
from retort.data.layouts.instead import near_folder
from retort.data.layouts.listing import nearest_of
from retort.data.layouts.parquet_columns import each_row_of

KIND = "fashion-mnist"
SIDE = 28
CLASSES = {  # id -> readable name, in the order of the labels 0 to 9
    "t-shirt": "t-shirt/top",
    "trouser": "trouser",
    "pullover": "pullover",
    "dress": "dress",
    "coat": "coat",
    "sandal": "sandal",
    "shirt": "shirt",
    "sneaker": "sneaker",
    "bag": "bag",
    "ankle-boot": "ankle boot",
}

OWN = Path(__file__).parents[1] / "fashion_mnist"
OWN_FILES = {  # split -> file that comes with Retort, and its SHA-256
    "train": ("train.parquet", "01726bac0f76d2cacaed80f21c628a98da992bed5bd3e5c1f44207e35c880ef5"),
    "val": ("validation.parquet", "333f468143ee488e4d7aa36bcc3043966572a01454be39f16f31a3510cd19ad9"),
}
BUNDLED = "with Retort, " + " ".join(digest[:8] for _, digest in OWN_FILES.values())  # the stamp of these files


class Published(NamedTuple):
    """The two files of a split, unpacked, and the SHA-256 of the published ones after their headers."""

    images: str
    labels: str
    images_digest: str
    labels_digest: str


PUBLISHED = {
    "train": Published(
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    ),
    "val": Published(
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
        "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
        "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    ),
}
FILES = [name for split in PUBLISHED.values() for name in (split.images, split.labels)]
FOLDERS = (".", "raw", "FashionMNIST/raw")  # below `path`; the others are torchvision's


def list_classes(wanted: list[str] | None) -> list[str]:
    """Class ids in label order: `wanted`, or all ten. Raises RetortError for what is no class."""
    if strange := [c for c in wanted or [] if c not in CLASSES]:
        known = list(CLASSES)
        raise RetortError(
            f"dataset.classes: {KIND} has no class {some_of(strange)}{nearest_of(strange, known)}; "
            f"it has {some_of(known, 10)}"
        )
    return wanted or list(CLASSES)


def places(path: Path) -> list[Path]:
    """The files of the whole data set, packed or not, in the folder that holds them, and that folder."""
    folder = _folder(path)
    return [folder, *(folder / f"{name}{packed}" for name in FILES for packed in ("", ".gz"))]


def write_images(path: Path | None, folder: Path, classes: Sequence[str]) -> None:
    """The images of `classes` as folder/{train,val}/<class>/<row>.png, 28 x 28 grey; rows count within a split's file.

    path: a folder with the IDX files, packed or not; None for the images that come with Retort. Raises RetortError for
    files that are missing, cut off or not what they should be; some that merely differ from the published ones are
    used, with a warning.
    """
    for split in PUBLISHED:
        images = _own_images(split) if path is None else _published_images(_folder(path), split)
        for row, (content, label) in enumerate(tqdm(images, desc=f"writing {split}", unit="image")):
            if (class_id := list(CLASSES)[label]) in classes:
                target = folder / split / class_id / f"{row:05d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                _store(content, target)


def _store(content: bytes | np.ndarray, target: Path) -> None:
    """A PNG as it is, or (28, 28) uint8 as one."""
    from PIL import Image

    if isinstance(content, bytes):
        target.write_bytes(content)
    else:
        Image.fromarray(content).save(target)


def _own_images(split: str) -> Iterator[tuple[bytes, int]]:
    """The bytes of a PNG and the label of each image that comes with Retort."""
    name, digest = OWN_FILES[split]
    if not (OWN / name).is_file() or _digest((OWN / name).read_bytes()) != digest:
        raise RetortError(f"{OWN / name} is not the file that comes with Retort (SHA-256 {digest}); check it out again")
    for image, label in each_row_of(OWN / name, "image", "label"):
        yield image["bytes"], label


def _published_images(folder: Path, split: str) -> Iterator[tuple[np.ndarray, int]]:
    """(28, 28) uint8 and the label of each image, in the order of the files."""
    names = PUBLISHED[split]
    image_file, label_file = (_file(folder, name) for name in (names.images, names.labels))
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if images.shape[1:] != (SIDE, SIDE):
        size = " x ".join(map(str, images.shape[1:]))
        raise RetortError(f"{image_file} has images of {size}; those of Fashion-MNIST are {SIDE} x {SIDE}")
    if len(images) != len(labels):
        raise RetortError(f"{image_file} has {len(images)} images, but {label_file} {len(labels)} labels; fetch both")
    if odd := sorted({int(x) for x in labels} - set(range(len(CLASSES)))):
        raise RetortError(f"{label_file} has labels that are no class: {some_of(list(map(str, odd)))}; 0 to 9 are")
    if (_digest(images), _digest(labels)) != (names.images_digest, names.labels_digest):
        print(
            f"warning: {image_file} and {label_file} do not hold the published images and labels of Fashion-MNIST "
            "(MNIST's files have the same names); they are used all the same"
        )
    yield from zip(images, map(int, labels), strict=True)


def _digest(content: bytes | np.ndarray) -> str:
    return hashlib.sha256(content).hexdigest()


def _folder(path: Path) -> Path:
    """The folder below `path` that holds the files; `path` itself where none does."""
    folders = [path / name for name in FOLDERS]
    return next((f for f in folders if any(_existing(f, name) for name in FILES)), path)


def _existing(folder: Path, name: str) -> Path | None:
    return next((file for file in (folder / name, folder / f"{name}.gz") if file.is_file()), None)


def _file(folder: Path, name: str) -> Path:
    if found := _existing(folder, name):
        return found
    if not folder.is_dir():
        near = near_folder(folder)
        raise RetortError(f"dataset.path: there is no folder {folder}{near}; give the one that holds {some_of(FILES)}")
    missing = [name for name in FILES if not _existing(folder, name)]
    raise RetortError(
        f"dataset.path: {folder} has no {some_of(missing)}, packed as .gz or not; without a path the images that come "
        "with Retort are taken"
    )
