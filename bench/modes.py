"""What finding modes of a class costs by each kind of discovery, and what guides towards them add to a step.

python -m bench.modes [--images 1300] [--side 32] [--counts 10 50]

One thread, on made-up latents in 20 groups; nothing of a diffusion model is run.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from retort.methods import manifold
from retort.methods.mode_guidance import shift_towards
from retort.parts.resolve import part_of

KINDS = ({"kind": "kmeans"}, {"kind": "kmeans", "pooled": 8}, {"kind": "mini-batch"}, {"kind": "bisecting"})
REPEATS = 20
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.modes", description=__doc__)
    parser.add_argument("--images", type=int, default=1300, help="latents of the class")
    parser.add_argument("--side", type=int, default=32, help="cells a side of a latent of 4 channels")
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 50], help="modes that are found")
    options = parser.parse_args()
    torch.set_num_threads(1)
    latents = grouped(options.images, options.side)
    print("| what | number | |", "|---|---|---|", sep="\n")
    for keys in KINDS:
        part = part_of("discoveries", {"encoder": "any"} | keys)
        for count in options.counts:
            spent = seconds(lambda part=part, count=count: part.find(latents, [""] * len(latents), count, 0), 1)
            print(f"| {part.in_words()} | {count} | {spent:.2f} s a class |")
    shape = (4, options.side, options.side)
    batch, modes, clean, deviation = (torch.rand(BATCH, *shape) for _ in range(4))
    shift, generator = shift_towards(modes, 0.1, -1), torch.Generator().manual_seed(0)
    spent = seconds(lambda: shift(batch, clean, 500, deviation), REPEATS)
    print(f"| MGD3's shift | {BATCH} images | {1e3 * spent:.2f} ms a step |")
    drawn = manifold.draws(shape, generator)
    for what, work in (
        ("draws of ManifoldGD's term", lambda: manifold.draws(shape, generator)),
        ("ManifoldGD's term", lambda: manifold.term(batch[0], modes[0], drawn, 0.5, 0.1, 0.1, 1)),
    ):
        print(f"| {what} | 1 image | {1e3 * seconds(work, REPEATS):.1f} ms a step |")


def grouped(images: int, side: int, groups: int = 20) -> np.ndarray:
    """(images, 4, side, side) float32."""
    rng = np.random.default_rng(0)
    middles = rng.standard_normal((groups, 4, side, side))
    return (middles[rng.integers(0, groups, images)] + rng.standard_normal((images, 4, side, side))).astype(np.float32)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Of one run of `work`, after one that is not counted where there are several."""
    if repeats > 1:
        work()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - began) / repeats


if __name__ == "__main__":
    main()
