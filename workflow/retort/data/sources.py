"""Where real images come from: listed where they lie, or first written out as an image folder.

A `layout` is the part of the config that says so: `kind`, and the keys that this kind has (config/schema/data.py).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from retort.base.seeds import derive_seed
from retort.data.class_ids import refuse_odd_ids
from retort.data.layouts import cifar, fashion_mnist, folders, huggingface, ilsvrc, places, tiny_imagenet
from retort.data.layouts.listing import ImageFile

DIGITS_TEST_SIZE = 400


def write_digits(folder: Path, classes: Sequence[str], side: int) -> None:
    """scikit-learn's 1,797 digits as folder/{train,val}/<digit>/<row>.png, (side, side) RGB, bicubic.

    The split is stratified, 1,397 / 400, and the same for everybody; `classes` keeps some of the digits.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    scans, labels = load_digits(return_X_y=True)
    rows = np.arange(len(labels))
    train, val = train_test_split(rows, test_size=DIGITS_TEST_SIZE, stratify=labels, random_state=0)
    for split, members in (("train", train), ("val", val)):
        for row in tqdm(sorted(members), desc=f"writing {split}", unit="image"):
            if str(labels[row]) in classes:
                pixels = np.round(scans[row].reshape(8, 8) * 255 / 16).astype(np.uint8)
                image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).convert("RGB")
                target = folder / split / str(labels[row]) / f"{row:04d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                image.save(target)


def write_images(layout: dict, folder: Path, classes: Sequence[str]) -> None:
    """The images of a data set that does not come as files, as folder/{train,val}/<class id>/<image>.

    Raises RetortError for archives that are missing, damaged or not what they should be.
    """
    refuse_odd_ids(classes, "dataset.classes")
    kind = layout["kind"]
    if kind == "digits":
        write_digits(folder, classes, layout["resolution"])
    elif kind == fashion_mnist.KIND:
        fashion_mnist.write_images(layout["path"] and Path(layout["path"]), folder, classes)
    elif kind in cifar.ARCHIVES:
        cifar.write_images(kind, Path(layout["path"]), folder, classes)
    else:
        huggingface.write_images(huggingface.asked_of(layout), folder, classes)


def list_images(layout: dict, written: str | None, classes: Sequence[str]) -> list[ImageFile]:
    """Every image of the classes, ordered by split, class and name.

    written: the folder that `write_images` filled, if it did. Raises RetortError for data that are missing or laid
    out otherwise, naming the place and what should be there.
    """
    refuse_odd_ids(classes, "dataset.classes")
    val_fraction = layout.get("val_fraction", 0.0)
    if written:
        return folders.list_images(Path(written), classes, val_fraction)
    kind, path = layout["kind"], Path(layout["path"])
    if kind == "imagenet":
        return ilsvrc.list_images(path, classes, layout["val"], layout["ground_truth"])
    if kind == "tiny-imagenet":
        return tiny_imagenet.list_images(path, classes)
    if kind == "places365":
        return places.list_images(path, classes)
    splits = huggingface.folder_splits(path, layout["val_split"]) if kind == "huggingface" else None
    return folders.list_images(path, classes, val_fraction, splits)


def class_names(layout: dict, classes: Sequence[str]) -> dict[str, str]:
    """Readable names of the classes that the data set itself names; by class id."""
    kind = layout["kind"]
    if kind == fashion_mnist.KIND:
        return {class_id: fashion_mnist.CLASSES[class_id] for class_id in classes}
    if kind == "imagenet":
        return ilsvrc.class_names(classes)
    if kind == "tiny-imagenet":
        return tiny_imagenet.class_names(Path(layout["path"]), classes)
    if kind == "places365" or kind in cifar.ARCHIVES:
        return {class_id: class_id.replace("_", " ").replace("-", " ") for class_id in classes}
    if kind == "huggingface" and layout["format"] == "parquet":
        return huggingface.parquet_names(huggingface.asked_of(layout))
    return {}


def first_drawn(images: list[ImageFile], most: int) -> list[ImageFile]:
    """At most `most` images of each class and split, in the order given, by what each one's name draws."""
    members: dict[tuple[str, str], list[ImageFile]] = {}
    for image in images:
        members.setdefault((image.split, image.class_id), []).append(image)

    def draw(image: ImageFile) -> int:
        return derive_seed("thin", image.split, image.image_id)

    kept = {image for group in members.values() for image in sorted(group, key=draw)[:most]}
    return [image for image in images if image in kept]
