"""scikit-learn's handwritten digits, drawn as images."""

from collections.abc import Sequence
from pathlib import Path

from retort.base.errors import RetortError

DIGITS = [str(digit) for digit in range(10)]
TEST_SIZE = 400


def list_classes(wanted: list[str] | None) -> list[str]:
    """The digits in label order: `wanted` if given, else 0 to 9. Raises RetortError for what is no digit."""
    if strange := [c for c in wanted or [] if c not in DIGITS]:
        raise RetortError(f"dataset.classes: the digits have no class {', '.join(strange)}; they are '0' to '9'")
    return wanted or DIGITS


def write_images(folder: Path, classes: Sequence[str], side: int) -> None:
    """scikit-learn's 1,797 digits as folder/{train,val}/<digit>/<row>.png, (side, side) RGB, bicubic.

    The split is stratified, 1,397 / 400, and the same for everybody; `classes` keeps some of the digits.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from tqdm import tqdm

    scans, labels = load_digits(return_X_y=True)
    rows = np.arange(len(labels))
    train, val = train_test_split(rows, test_size=TEST_SIZE, stratify=labels, random_state=0)
    for split, members in (("train", train), ("val", val)):
        for row in tqdm(sorted(members), desc=f"writing {split}", unit="image"):
            if str(labels[row]) in classes:
                pixels = np.round(scans[row].reshape(8, 8) * 255 / 16).astype(np.uint8)
                image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).convert("RGB")
                target = folder / split / str(labels[row]) / f"{row:04d}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                image.save(target)
