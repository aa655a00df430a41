"""How good a diffusion model is, as its teacher sees it: the share of samples recognised as what they should be."""

import numpy as np
import torch
from tqdm import tqdm

from retort.artifacts.images import check_decoded
from retort.base.batches import in_batches
from retort.base.files import write_json
from retort.base.seeds import torch_rng
from retort.data.images import resized
from retort.data.manifest import read_classes
from retort.methods.ddim import sample
from retort.methods.guidance import Guided
from retort.models.health import Watched, of_class
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.pixels import to_pixels
from retort.models.teacher import accuracy, check_seen, load_teacher, logits_of

GUIDANCES = (1.0, 4.0)
SAMPLES = 100
WORSE = "train it at a lower train.lr, or take another model"


@torch.inference_mode()
def judge_model(
    class_table: str,
    teacher: str,
    quality: str,
    *,
    name: str,
    model: ModelFiles,
    codec: CodecFiles,
    side: int,
    dataset: str,
    seed: int,
    batch: int,
) -> None:
    """Sample about SAMPLES images at a few guidances and count those the teacher calls right.

    They are spread evenly over the classes, or over SAMPLES of them where there are more; resized to `side`, at which
    the teacher sees images. Raises RetortError naming the class when latents leave the finite numbers.
    """
    classes = read_classes(class_table)
    diffusion, judge = load_diffusion(model, codec), load_teacher(teacher, [c.id for c in classes])
    diffusion.check_classes(classes)
    judged = classes[:: -(-len(classes) // SAMPLES)]
    wanted = [(c, i) for c in judged for i in range(max(1, SAMPLES // len(judged)))]
    rows = []
    for guidance in GUIDANCES:
        right = 0.0
        for members in in_batches(tqdm(wanted, desc=f"sampling at guidance {guidance:g}", unit="image"), batch):
            noise = [
                torch.randn(diffusion.latent_shape, generator=torch_rng(seed, "judge", dataset, c.id, i))
                for c, i in members
            ]
            watched, ids = Watched(diffusion, len(members)), [c.id for c, _ in members]
            denoise = Guided(watched, diffusion.condition([c for c, _ in members]), guidance)
            latents = sample(torch.stack(noise).to(diffusion.device), denoise, diffusion.alphas_cumprod, 50, 49)
            watched.check(latents, ids, f"latents sampled at guidance {guidance:g} are", WORSE)
            decoded = diffusion.decode(latents)
            check_decoded(decoded, ids)
            logits = logits_of(judge, np.stack([resized(square, side) for square in to_pixels(decoded)]))
            check_seen(logits, of_class(ids))
            right += accuracy(logits, np.array([c.index for c, _ in members])) * len(members)
        measure = f"share of {len(wanted)} samples the teacher recognises, guidance {guidance:g}"
        rows.append({"model": name, "kind": model.kind, "measure": measure, "value": right / len(wanted)})
        print(f"{measure}: {rows[-1]['value']:.3f}")
    write_json(quality, rows)
