"""Refine the latents of generated images, all of some classes in batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from retort.config.seeds import numpy_rng, torch_rng
from retort.data.files import read_rows
from retort.data.manifest import read_classes
from retort.data.tensors import create_tensors, open_tensors
from retort.methods.ancestral import respace
from retort.methods.refinement import draw_indices, refine
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.stages.batches import kept_places, on_grid
from retort.stages.made_images import check_finite, image_layout, write_images

CARRIED = ("group", "score", "row")  # what the manifest says of how an image was generated


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
    cells = [divmod(n, ipc) for n in range(first, first + total)]
    members = [picks.get(cell, cell[1]) for cell in cells]
    carried = [key for key in CARRIED if key in pool]
    layout = image_layout(total, diffusion.latent_shape, side) | {"member": ((total,), "int64")}
    layout |= dict.fromkeys(("loss_before", "loss_after"), ((total,), "float64"))
    layout |= {key: ((total,), pool[key].dtype.name) for key in carried}
    batches, tenth = list(on_grid(first, total, batch)), max(1, refinement.iterations // 10)
    bar = tqdm(total=len(batches) * refinement.iterations, desc="refining", unit="step")
    with create_tensors(output, layout) as maps, bar:
        for numbers in batches:
            rows = [n - first for n in numbers]
            entries = [table[cells[r][0]] for r in rows]
            draws = [(seed, "refine", dataset, c.id, members[r]) for c, r in zip(entries, rows, strict=True)]
            noise = torch.stack([torch.randn(diffusion.latent_shape, generator=torch_rng(*d, "noise")) for d in draws])
            start = np.stack([pool["latents"][place[cells[r][0], members[r]]] for r in rows])
            by_class = refinement.condition == "class"
            condition = diffusion.condition(entries) if by_class else diffusion.null(len(entries))
            found, loss = refine(
                torch.from_numpy(start).to(diffusion.device),
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
            kept = kept_places(numbers, batch)
            with torch.inference_mode():
                write_images(maps, found, diffusion, side, {p: rows[p] for p in kept})
            for p in kept:
                maps["loss_before"][rows[p]], maps["loss_after"][rows[p]] = (
                    loss[p, :tenth].mean(),
                    loss[p, -tenth:].mean(),
                )
        maps["class_index"][:], maps["index"][:] = zip(*cells, strict=True)
        maps["member"][:] = members
        for key in carried:
            maps[key][:] = pool[key][[place[label, m] for (label, _), m in zip(cells, members, strict=True)]]
        before, after = maps["loss_before"].mean(), maps["loss_after"].mean()
    print(f"loss: {before:.3f} in the first tenth of the iterations, {after:.3f} in the last")


def _counted(steps: Iterable, bar: tqdm) -> Iterator:
    for step in steps:
        yield step
        bar.update()


def _indices(refinement: Refinement, *draw: str | int) -> np.ndarray:
    return draw_indices(refinement.steps, refinement.share, refinement.iterations, numpy_rng(*draw, "steps"))
