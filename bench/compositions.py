"""Sets of configs/fashion-compositions.yaml: how many images their teacher recognises, and how far these are apart.

python -m bench.compositions    # of the sets that were made, results/fashion-compositions/distilled/METHOD/ipc4

Recognised: the share of images to which the teacher gives their class. Apart: the root mean square difference of two
images of a class, over all pairs, as a share of the range of pixels.
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from bench.rows import line
from retort.artifacts.sets import read_set
from retort.base.files import read_json
from retort.base.paths import path_of_source
from retort.models.teacher import Teacher, load_teacher, logits_of

SETS = "results/fashion-compositions/distilled"


def main() -> None:
    torch.set_num_threads(1)
    directory = path_of_source("retort:fashion-mnist/resnet")
    teacher = load_teacher(directory, read_json(directory / "teacher.json")["classes"])
    print(line(("method", "images", "recognised", "apart")), line(["---"] * 4), sep="\n")
    for folder in sorted(Path(SETS).glob("*/ipc*")):
        pixels, labels = (np.asarray(found) for found in read_set(str(folder), None, threads=1))
        shown = (f"{recognised(teacher, pixels, labels):.2f}", f"{spread_of(pixels, labels):.2f}")
        print(line((f"`{folder.parent.name}`", str(len(pixels)), *shown)))


def recognised(teacher: Teacher, pixels: np.ndarray, labels: np.ndarray) -> float:
    return float((logits_of(teacher, pixels).argmax(dim=1).numpy() == labels).mean())


def spread_of(pixels: np.ndarray, labels: np.ndarray) -> float:
    """Mean over pairs of images (N, h, w, 3) uint8 of one class, in [0, 1]."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float64) / 255
    pairs = [(i, j) for i, j in combinations(range(len(flat)), 2) if labels[i] == labels[j]]
    return float(np.mean([np.sqrt(((flat[i] - flat[j]) ** 2).mean()) for i, j in pairs]))


if __name__ == "__main__":
    main()
