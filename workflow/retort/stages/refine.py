"""Refine the latents of generated images, all of some classes in batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from retort.config.seeds import numpy_rng, torch_rng
from retort.data.files import read_rows
from retort.data.images import resized
from retort.data.manifest import read_classes
from retort.data.tensors import open_tensors, write_tensors
from retort.methods.ancestral import respace
from retort.methods.refinement import draw_indices, refine
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.pixels import to_pixels
from retort.stages.batches import kept_places, on_grid
from retort.stages.generate import check_finite


@dataclass(frozen=True)
class Refinement:
    """The constants of `methods.refinement`, and the condition: "unconditional" or "class"."""

    iterations: int
    lr: float
    steps: int
    share: float
    peak_weight: float
    condition: str
    timestep: str


def refine_shard(
    class_table: str,
    generated: str,
    chosen: str | None,
    output: str,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    refinement: Refinement,
    classes: Sequence[int],
    ipc: int,
    side: int,
    dataset: str,
    seed: int,
    batch: int,
) -> None:
    """latents and pixels as `generate_shard` gives them, of the images that `chosen` names (all without it).

    Beside them: member (n,), its number in the pool; loss_before and loss_after (n,), means over the first and last
    tenth of the iterations. Noise and steps are seeded by class and member, so they do not depend on the selection.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    schedule = respace(diffusion.alphas_cumprod, refinement.steps)
    pool = open_tensors(generated)
    place = {(int(c), int(i)): n for n, (c, i) in enumerate(zip(pool["class_index"], pool["index"], strict=True))}
    picks = {(int(r["class_index"]), int(r["index"])): int(r["member"]) for r in read_rows(chosen)} if chosen else {}
    first, total = classes[0] * ipc, len(classes) * ipc
    latents = np.zeros((total, *diffusion.latent_shape), dtype=np.float32)
    pixels = np.zeros((total, side, side, 3), dtype=np.uint8)
    losses = np.zeros((total, refinement.iterations), dtype=np.float32)
    batches = list(on_grid(first, total, batch))
    bar = tqdm(total=len(batches) * refinement.iterations, desc="refining", unit="step")
    for numbers in batches:
        cells = [divmod(n, ipc) for n in numbers]
        members = [(label, picks.get((label, i), i)) for label, i in cells]
        entries = [table[label] for label, _ in members]
        condition = diffusion.condition(entries) if refinement.condition == "class" else diffusion.null(len(entries))
        draws = [(seed, "refine", dataset, c.id, m) for c, (_, m) in zip(entries, members, strict=True)]
        noise = torch.stack([torch.randn(diffusion.latent_shape, generator=torch_rng(*d, "noise")) for d in draws])
        found, loss = refine(
            torch.from_numpy(np.stack([pool["latents"][place[m]] for m in members])).to(diffusion.device),
            noise.to(diffusion.device),
            lambda x, t, condition=condition: diffusion.eps(x, t, condition),
            schedule,
            torch.from_numpy(np.stack([_indices(refinement, *d) for d in draws])),
            lr=refinement.lr,
            peak_weight=refinement.peak_weight,
            timestep=refinement.timestep,
            progress=lambda steps: _counted(steps, bar),
        )
        check_finite(found, [c.id for c in entries], "refined", "lower refine.lr")
        with torch.inference_mode():
            decoded = to_pixels(diffusion.decode(found))
        for p in kept_places(numbers, batch):
            latents[numbers[p] - first], losses[numbers[p] - first] = found[p].cpu().numpy(), loss[p].cpu().numpy()
            pixels[numbers[p] - first] = resized(decoded[p], side)
    bar.close()
    numbers, tenth = np.arange(first, first + total), max(1, refinement.iterations // 10)
    write_tensors(
        output,
        {
            "latents": latents,
            "pixels": pixels,
            "class_index": numbers // ipc,
            "index": numbers % ipc,
            "member": np.array([picks.get(divmod(n, ipc), n % ipc) for n in numbers.tolist()]),
            "loss_before": losses[:, :tenth].mean(1),
            "loss_after": losses[:, -tenth:].mean(1),
        },
    )
    before, after = losses[:, :tenth].mean(), losses[:, -tenth:].mean()
    print(f"loss: {before:.3f} in the first tenth of the iterations, {after:.3f} in the last")


def _counted(steps: Iterable, bar: tqdm) -> Iterator:
    for step in steps:
        yield step
        bar.update()


def _indices(refinement: Refinement, *draw: str | int) -> np.ndarray:
    return draw_indices(refinement.steps, refinement.share, refinement.iterations, numpy_rng(*draw, "steps"))
