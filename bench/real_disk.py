"""What a config downloads, and what its runs leave on disk: parameters and tensors counted, nothing written."""

from functools import cache

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from bench.backbones import SDXL, VAE
from bench.networks import XL
from bench.real_students import images_of, label_views
from retort.plan.plan import Plan

SD15 = {"sample_size": 64, "cross_attention_dim": 768}
REFINER = SDXL | {
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": 4,
    "attention_head_dim": (6, 12, 24, 24),
    "cross_attention_dim": 1280,
    "projection_class_embeddings_input_dim": 2560,
}
SMALL_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
LARGE_TEXT = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
PARTS = {
    "vae": {"vae": lambda: AutoencoderKL(**VAE)},
    "dit": {"transformer": lambda: DiTTransformer2DModel(**XL, in_channels=4, out_channels=8)},
    "sd": {
        "unet": lambda: UNet2DConditionModel(**SD15),
        "text_encoder": lambda: CLIPTextModel(CLIPTextConfig(**SMALL_TEXT)),
    },
    "sdxl": {
        "unet": lambda: UNet2DConditionModel(**SDXL),
        "text_encoder": lambda: CLIPTextModel(CLIPTextConfig(**SMALL_TEXT)),
        "text_encoder_2": lambda: CLIPTextModelWithProjection(CLIPTextConfig(**LARGE_TEXT, projection_dim=1280)),
    },
    "sdxl-refiner": {
        "unet": lambda: UNet2DConditionModel(**REFINER),
        "text_encoder_2": lambda: CLIPTextModelWithProjection(CLIPTextConfig(**LARGE_TEXT, projection_dim=1280)),
    },
}
WIDE, NARROW = 4, 2  # bytes of a number in float32, as the hub has all of them, and in half precision


@cache
def parameters(kind: str) -> dict[str, int]:
    """Part -> how many numbers it has, of a model of the published shape; made on the meta device."""
    with torch.device("meta"):
        return {part: sum(p.numel() for p in make().parameters()) for part, make in PARTS[kind].items()}


def models(plan: Plan) -> dict[str, float]:
    """Bytes that `fetch` downloads for every method of a config, and that it writes for those (links not counted)."""
    every = plan.with_every_method()
    downloads, stored = {}, 0
    for name in every.fetched_models():
        model, narrow = plan.config.models[name], plan.stored_dtype(name)
        for part, numbers in parameters(model.kind).items():
            downloads[model.source, part] = WIDE * numbers
            stored += NARROW * numbers if narrow else 0
    return {"downloads": sum(downloads.values()), "models stored narrow": stored}


def on_disk(plan: Plan, made_bytes: dict[str, float]) -> dict[str, float]:
    """Bytes that the runs of a config leave, by kind of file, without models and the data set itself.

    made_bytes: method -> bytes of what each image of a set leaves, its pixels in the set counted as PNG at most.
    """
    shapes = {name: plan.codec_settings(name)["resolution"] // 8 for name in plan.used_latents()}
    stores = {name: WIDE if plan.config.models[name].store == "float32" else NARROW for name in shapes}
    train = images_of(plan, "all")
    latents = sum(4 * shapes[name] ** 2 * stores[name] * train for name in shapes)
    splits = {"train": train, "val": 50 * len(plan.classes)}
    pixels = sum(splits[split] * 3 * plan.dataset.resolution**2 for split in plan.decoded_splits())
    made = sum(made_bytes[row["method"]] * images_of(plan, row["ipc"]) for row in plan.distilled_sets())
    labels = sum(views * len(plan.classes) * NARROW for _, views in label_views(plan))
    return {"labels": labels, "latents": latents, "images made, and sets": made, "decoded pixels": pixels}


def images_in_sets(plan: Plan) -> int:
    return sum(images_of(plan, row["ipc"]) for row in plan.distilled_sets())
