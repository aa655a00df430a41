"""Refine the latents of generated images, all of some classes in batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from retort.artifacts.cells import members_of, places_of
from retort.artifacts.images import image_layout, write_images
from retort.artifacts.latents import finite
from retort.base.batches import kept_places, on_grid
from retort.base.seeds import numpy_rng, torch_rng
from retort.base.tensors import create_tensors, open_tensors
from retort.data.manifest import ClassEntry, read_classes
from retort.methods.ancestral import respace
from retort.methods.refinement import draw_indices, refine
from retort.models.health import Watched
from retort.models.interface import LatentDiffusion
from retort.models.load import CodecFiles, ModelFiles, load_diffusion

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


def refine_latents(
    class_table: str,
    generated: str,
    chosen: Sequence[str],
    images: str,
    *,
    model: ModelFiles,
    codec: CodecFiles,
    refinement: Refinement,
    class_indices: Sequence[int],
    ipc: int,
    side: int,
    dataset: str,
    seed: int,
    batch: int,
) -> None:
    """latents and pixels as `generate_images` gives them, of the images that `chosen` names (all when it is empty).

    Beside them: member (n,), its number in the pool; loss_before and loss_after (n,), means over the first and last
    tenth of the iterations. Noise and steps are seeded by class and member, so they do not depend on the selection.
    """
    table = read_classes(class_table)
    diffusion = load_diffusion(model, codec)
    diffusion.check_classes(table)
    pool = open_tensors(generated)
    place, picks = places_of(pool), members_of(chosen)
    first, total = class_indices[0] * ipc, len(class_indices) * ipc
    cells = [divmod(n, ipc) for n in range(first, first + total)]
    members = [picks.get(cell, cell[1]) for cell in cells]
    sources = [place[label, member] for (label, _), member in zip(cells, members, strict=True)]
    carried = [key for key in CARRIED if key in pool]
    layout = image_layout(total, diffusion.latent_shape, side) | {"member": ((total,), "int64")}
    layout |= dict.fromkeys(("loss_before", "loss_after"), ((total,), "float64"))
    layout |= {key: ((total,), pool[key].dtype.name) for key in carried}
    batches, tenth = list(on_grid(first, total, batch)), max(1, refinement.iterations // 10)
    bar = tqdm(total=len(batches) * refinement.iterations, desc="refining", unit="step")
    with create_tensors(images, layout) as maps, bar:
        for numbers in batches:
            rows = [n - first for n in numbers]
            entries = [table[cells[r][0]] for r in rows]
            draws = [(seed, "refine", dataset, c.id, members[r]) for c, r in zip(entries, rows, strict=True)]
            ids = [c.id for c in entries]
            start = torch.from_numpy(finite(np.stack([pool["latents"][sources[r]] for r in rows]), generated, *ids))
            watched = Watched(diffusion, len(rows), "iteration")
            found, loss = _refined(watched, start, entries, draws, refinement, bar)
            for what, values in (("refined latents", found), ("losses of the refinement", loss)):
                watched.check(values, ids, f"{what} are", "lower the method's refine.lr")
            kept = {at: rows[at] for at in kept_places(numbers, batch)}
            with torch.inference_mode():
                write_images(maps, found, diffusion, side, kept, ids)
            for at, row in kept.items():
                maps["loss_before"][row], maps["loss_after"][row] = loss[at, :tenth].mean(), loss[at, -tenth:].mean()
        maps["class_index"][:], maps["index"][:] = zip(*cells, strict=True)
        maps["member"][:] = members
        for key in carried:
            maps[key][:] = pool[key][sources]
        before, after = maps["loss_before"].mean(), maps["loss_after"].mean()
    print(f"loss: {before:.3f} in the first tenth of the iterations, {after:.3f} in the last")


def _refined(
    diffusion: LatentDiffusion,
    latents: torch.Tensor,
    entries: Sequence[ClassEntry],
    draws: Sequence[tuple],
    refinement: Refinement,
    bar: tqdm,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of latents (N, C, H, W) refined, and their losses; `draws` seed each image's noise and steps."""
    by_class = refinement.condition == "class"
    condition = diffusion.condition(entries) if by_class else diffusion.null(len(entries))
    noise = torch.stack([torch.randn(diffusion.latent_shape, generator=torch_rng(*d, "noise")) for d in draws])
    steps, share, iterations = refinement.steps, refinement.share, refinement.iterations
    indices = np.stack([draw_indices(steps, share, iterations, numpy_rng(*d, "steps")) for d in draws])
    return refine(
        latents.to(diffusion.device),
        noise.to(diffusion.device),
        lambda x, t: diffusion.eps(x, t, condition),
        respace(diffusion.alphas_cumprod, steps),
        torch.from_numpy(indices),
        lr=refinement.lr,
        peak_weight=refinement.peak_weight,
        timestep=refinement.timestep,
        progress=lambda taken: _counted(taken, bar),
    )


def _counted(steps: Iterable, bar: tqdm) -> Iterator:
    for step in steps:
        yield step
        bar.update()
