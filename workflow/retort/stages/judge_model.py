"""How good a diffusion model is, as its teacher sees it: the share of samples recognised as what they should be."""

import torch
from tqdm import tqdm

from retort.config.seeds import torch_rng
from retort.data.files import write_json
from retort.data.manifest import read_classes
from retort.methods.ddim import sample
from retort.methods.guidance import guided
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.pixels import to_pixels
from retort.models.teacher import accuracy, load_teacher, logits_of
from retort.stages.batches import in_batches

GUIDANCES = (1.0, 2.0, 4.0)
SAMPLES = 100


@torch.inference_mode()
def judge_model(
    class_table: str,
    teacher: str,
    output: str,
    *,
    name: str,
    model: ModelFiles,
    codec: CodecFiles,
    seed: int,
    batch: int,
) -> None:
    """Sample about SAMPLES images over all classes at a few guidances and count those the teacher calls right."""
    classes = read_classes(class_table)
    diffusion, judge = load_diffusion(model, codec), load_teacher(teacher, [c.id for c in classes])
    wanted = [c for c in classes for _ in range(max(1, SAMPLES // len(classes)))]
    rows = []
    for guidance in GUIDANCES:
        right = 0.0
        for numbered in in_batches(tqdm(list(enumerate(wanted)), desc=f"sampling at guidance {guidance:g}"), batch):
            noise = [torch.randn(diffusion.latent_shape, generator=torch_rng(seed, "judge", i)) for i, _ in numbered]
            members = [c for _, c in numbered]
            denoise = guided(diffusion, diffusion.condition(members), guidance)
            latents = sample(torch.stack(noise).to(diffusion.device), denoise, diffusion.alphas_cumprod, 50, 49)
            logits = logits_of(judge, to_pixels(diffusion.decode(latents)))
            right += accuracy(logits, torch.tensor([c.index for c in members]).numpy()) * len(members)
        measure = f"share of {len(wanted)} samples the teacher recognises, guidance {guidance:g}"
        rows.append({"model": name, "kind": model.kind, "measure": measure, "value": right / len(wanted)})
        print(f"{measure}: {rows[-1]['value']:.3f}")
    write_json(output, rows)
