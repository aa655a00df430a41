"""Where real images come from: scikit-learn's digits written out as a folder, or a folder of one's own."""

from pathlib import Path

import numpy as np
from PIL import Image

from retort.config.seeds import derive_seed
from retort.data.classes import some_of
from retort.data.images import EXTENSIONS
from retort.errors import RetortError

DIGITS_TEST_SIZE = 400


def write_digits(folder: Path, classes: list[str], side: int) -> None:
    """scikit-learn's 1,797 digits as folder/{train,val}/<digit>/<row>.png, (side, side) RGB, bicubic.

    The split is stratified, 1,397 / 400, and the same for everybody; `classes` keeps some of the digits.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    scans, labels = load_digits(return_X_y=True)
    rows = np.arange(len(labels))
    train, val = train_test_split(rows, test_size=DIGITS_TEST_SIZE, stratify=labels, random_state=0)
    for split, members in (("train", train), ("val", val)):
        for row in sorted(members):
            if str(labels[row]) in classes:
                pixels = np.round(scans[row].reshape(8, 8) * 255 / 16).astype(np.uint8)
                image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).convert("RGB")
                target = folder / split / str(labels[row]) / f"{row:04d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                image.save(target)


def list_images(path: Path, classes: list[str], val_fraction: float, seed: int, dataset: str) -> list[dict]:
    """One {split, class_id, image_id, path} per image file, ordered by split, class and name.

    With train/ and val/ under `path` these are the splits. Otherwise about `val_fraction` of each class is held out,
    by a draw that each image makes for itself, from its own name, so that adding images moves none of the others.
    Both splits get at least one image of each class.
    Raises RetortError for classes without images, and for train/ without val/ or with other classes.
    """
    train, val = path / "train", path / "val"
    if not train.is_dir():
        rows = []
        for class_id in classes:
            files = _image_files(path / class_id)
            if len(files) < 2:
                raise RetortError(f"{path / class_id} has {len(files)} images; at least two are needed to hold one out")
            draws = {f: derive_seed(seed, "split", dataset, class_id, f.name) / 2**63 for f in files}
            first, *others, _ = sorted(files, key=draws.get)
            held_out = {first, *(f for f in others if draws[f] < val_fraction)}
            rows += [_row("val" if f in held_out else "train", class_id, f) for f in files]
        return sorted(rows, key=lambda row: row["split"])  # stable: "train" before "val", classes and names kept
    if not val.is_dir():
        raise RetortError(f"{path} has train/ but no val/; add val/, or put the class folders directly under {path}")
    extra = sorted({p.name for p in val.iterdir() if p.is_dir()} ^ {p.name for p in train.iterdir() if p.is_dir()})
    if extra := [c for c in extra if not c.startswith(".")]:
        raise RetortError(f"train/ and val/ under {path} disagree about classes: only one of them has {some_of(extra)}")
    rows = []
    for split, root in (("train", train), ("val", val)):
        for class_id in classes:
            files = _image_files(root / class_id)
            if not files:
                raise RetortError(f"{root / class_id} has no images (looked for {', '.join(sorted(EXTENSIONS))})")
            rows += [_row(split, class_id, f) for f in files]
    return rows


def _image_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS) if folder.is_dir() else []


def _row(split: str, class_id: str, file: Path) -> dict:
    return {"split": split, "class_id": class_id, "image_id": f"{class_id}/{file.name}", "path": str(file)}
