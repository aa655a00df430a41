"""Coresets: all scores from one record of a training, against a pass over the images for each score.

python -m bench.coresets [--images 300] [--epochs 10]

One thread, CPU seconds, on made-up images: as many copies of the teacher that comes with Retort as epochs are recorded.
Trainings are not counted: with a pass for each score, each would have one of its own as well.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from bench.rows import line
from retort.base.files import read_json
from retort.base.paths import path_of_source
from retort.models.teacher import Teacher, features_and_logits, load_teacher
from retort.parts.difficulties import Lessons
from retort.parts.resolve import ours, part_of

CLASSES, SIDE, LARGE = 10, 32, (20, 1300, 1000)  # epochs, images of a class and classes of ImageNet-1K


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.coresets", description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    directory = path_of_source("retort:fashion-mnist/resnet")
    teacher = load_teacher(directory, read_json(directory / "teacher.json")["classes"])
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (options.images, SIDE, SIDE, 3), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, options.images)
    scores = [part_of("difficulties", kind) for kind in ours("difficulties")]
    networks = [teacher] * options.epochs
    together = seconds(lambda: scored(recorded(networks, pixels, labels), scores))
    apart = sum(seconds(lambda s=score: scored(recorded(networks, pixels, labels), [s])) for score in scores)
    print(line(("what", "CPU s")), line(("---", "---")), sep="\n")
    print(line((f"one pass, {len(scores)} scores of it", f"{together:.1f}")))
    print(line((f"a pass for each of {len(scores)} scores", f"{apart:.1f}")))
    epochs, images, classes = LARGE
    large = Lessons(
        rng.standard_normal((1, epochs, images, classes)).astype(np.float16),
        np.ones((1, epochs, images), np.float32),
        np.zeros(images, np.int64),
    )
    for score in scores:
        spent = seconds(lambda s=score: scored(large, [s]))
        print(
            line(
                (f"`{score.kind}` of a class of {images} images, {classes} classes and {epochs} epochs", f"{spent:.1f}")
            )
        )


def recorded(networks: list[Teacher], pixels: np.ndarray, labels: np.ndarray) -> Lessons:
    """What each network says of the images, as `record_dynamics` keeps it."""
    said = [features_and_logits(network, pixels) for network in networks]
    logits = np.stack([found.half().numpy() for _, found in said])[None]
    return Lessons(logits, np.stack([features.norm(dim=1).numpy() for features, _ in said])[None], labels)


def scored(lessons: Lessons, scores: list) -> list[np.ndarray]:
    return [score.hardness(lessons) for score in scores]


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
