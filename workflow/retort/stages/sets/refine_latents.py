"""Refine the latents of generated images, all of some classes in batches."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from tqdm import tqdm

from retort.artifacts.cells import members_of, places_of
from retort.artifacts.images import image_layout, write_images
from retort.artifacts.latents import finite
from retort.base.batches import kept_places, on_grid
from retort.base.tensors import create_tensors, open_tensors
from retort.data.manifest import read_classes
from retort.models.health import Watched
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.parts.refinements import Refinement

CARRIED = ("group", "score", "row")  # what the manifest says of how an image was generated


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
    batches, tenth = list(on_grid(first, total, batch)), max(1, refinement.passes() // 10)
    bar = tqdm(total=len(batches) * refinement.passes(), desc="refining", unit="step")
    with create_tensors(images, layout) as maps, bar:
        for numbers in batches:
            rows = [n - first for n in numbers]
            entries = [table[cells[r][0]] for r in rows]
            draws = [(seed, "refine", dataset, c.id, members[r]) for c, r in zip(entries, rows, strict=True)]
            ids = [c.id for c in entries]
            start = torch.from_numpy(finite(np.stack([pool["latents"][sources[r]] for r in rows]), generated, *ids))
            watched = Watched(diffusion, len(rows), "iteration")
            begin = start.to(diffusion.device)
            found, loss = refinement.refined(watched, begin, entries, draws, lambda taken: _counted(taken, bar))
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


def _counted(steps: Iterable, bar: tqdm) -> Iterator:
    for step in steps:
        yield step
        bar.update()
