"""Forward and backward of several seeds of one student: stacked in one call (torch.func.vmap), or one after the other.

    python -m bench.seeds_together [--arch resnet8 ...] [--seeds 3] [--batch 50] [--side 32] [--threads 1]

One after the other is what the workflow does: each student with its images in channels-last layout. Gradients of both
must agree. Seconds are those of the CPU on one thread and of the wall on more, or on a GPU.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from bench.rows import clock_name, in_turn
from retort.base.devices import pick_device
from retort.models.classifiers import build_classifier

CLASSES, STEPS, AGREE = 10, 5, 1e-3


def students(arch: str, seeds: int, side: int) -> list[nn.Module]:
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        found.append(build_classifier(arch, CLASSES, side).to(pick_device()).train())
    return found


def together(modules: list[nn.Module], images: Tensor, labels: Tensor) -> Tensor:
    """Gradients of all students in one row."""
    weights, buffers = stack_module_state(modules)

    def loss(weights, buffers, images, labels):
        return cross_entropy(functional_call(modules[0], (weights, buffers), (images,)), labels)

    losses = vmap(loss, randomness="different")(weights, buffers, images, labels)
    return _row(torch.autograd.grad(losses.sum(), list(weights.values())))


def one_by_one(modules: list[nn.Module], images: Tensor, labels: Tensor) -> Tensor:
    """The same, in the same order."""
    own = []
    for module, shown, targets in zip(modules, images, labels, strict=True):
        loss = cross_entropy(module(shown.contiguous(memory_format=torch.channels_last)), targets)
        own.append(torch.autograd.grad(loss, list(module.parameters())))
    return _row([torch.stack(gradients) for gradients in zip(*own, strict=True)])


def steps(gradients_of: Callable[..., Tensor], *given) -> Tensor:
    """What the last of STEPS calls gives."""
    return [gradients_of(*given) for _ in range(STEPS)][-1]


def _row(gradients: list[Tensor]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", nargs="+", default=["resnet8", "convnet3"])
    for name, default in (("seeds", 3), ("batch", 50), ("side", 32), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    torch.manual_seed(0)
    images = torch.randn(wanted.seeds, wanted.batch, 3, wanted.side, wanted.side, device=pick_device())
    labels = torch.randint(CLASSES, (wanted.seeds, wanted.batch), device=pick_device())
    print(f"{clock_name()} seconds of {STEPS} steps of {wanted.seeds} students, batches of {wanted.batch}")
    print("| student | together | one by one | ratio |\n|---|---|---|---|")
    for arch in wanted.arch:
        stacked = students(arch, wanted.seeds, wanted.side)
        alone = [module.to(memory_format=torch.channels_last) for module in students(arch, wanted.seeds, wanted.side)]
        sides = partial(steps, together, stacked, images, labels), partial(steps, one_by_one, alone, images, labels)
        best, (ours, theirs) = in_turn(*sides, repeats=3)
        if not (gap := (ours - theirs).norm() / theirs.norm()) < AGREE:
            sys.exit(f"{arch}: the gradients of both differ by {gap:.1g} of their length")
        print(f"| {arch} | {best[0]:.3f} | {best[1]:.3f} | {best[1] / best[0]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
