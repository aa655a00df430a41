"""Tiny text-to-image pipelines, saved as the published ones are."""

from pathlib import Path

from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from tests.helpers import tiny_pipelines as tiny

SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
WIDTHS = (16, 24)  # of SDXL's two text encoders
EMBEDDED = 8  # numbers for each of SDXL's time ids
# As published: 1.x names PNDM and predicts the noise, 2.x DDIM and v.
VERSIONS = {
    "1.x": (PNDMScheduler(**SCHEDULE, skip_prk_steps=True), "quick_gelu", {"attention_head_dim": 2}),
    "2.x": (
        DDIMScheduler(**SCHEDULE, prediction_type="v_prediction"),
        "gelu",
        {"attention_head_dim": (1, 2), "use_linear_projection": True},
    ),
}


def save_stable_diffusion(folder: Path, version: str = "1.x") -> Path:
    scheduler, activation, unet = VERSIONS[version]
    StableDiffusionPipeline(
        vae=tiny.vae(),
        text_encoder=tiny.seeded(lambda: CLIPTextModel(tiny.text_config(16, activation)), seed=3),
        tokenizer=tiny.tokenizer(),
        unet=tiny.unet(16, **unet),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def save_sdxl(folder: Path, zeros: bool = True) -> Path:
    """The base model; zeros: null is a prompt of zeros, and not the empty prompt."""
    first, second = tiny.text_config(WIDTHS[0], "quick_gelu"), tiny.text_config(WIDTHS[1], "gelu")
    StableDiffusionXLPipeline(
        vae=tiny.vae(),
        text_encoder=tiny.seeded(lambda: CLIPTextModel(first), seed=3),
        text_encoder_2=tiny.seeded(lambda: CLIPTextModelWithProjection(second), seed=4),
        tokenizer=tiny.tokenizer(),
        tokenizer_2=tiny.tokenizer(pad="!"),
        unet=_sdxl_unet(sum(WIDTHS), 6, second.projection_dim),
        scheduler=EulerDiscreteScheduler(**SCHEDULE),
        force_zeros_for_empty_prompt=zeros,
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def save_refiner(folder: Path, zeros: bool = False, schedule: dict = SCHEDULE, time_ids: int = 5) -> Path:
    """SDXL's refiner, as published: told by the second text encoder alone; null is the empty prompt."""
    second = tiny.text_config(WIDTHS[1], "gelu")
    StableDiffusionXLImg2ImgPipeline(
        vae=tiny.vae(),
        text_encoder=None,
        text_encoder_2=tiny.seeded(lambda: CLIPTextModelWithProjection(second), seed=5),
        tokenizer=None,
        tokenizer_2=tiny.tokenizer(pad="!"),
        unet=_sdxl_unet(WIDTHS[1], time_ids, second.projection_dim),
        scheduler=EulerDiscreteScheduler(**schedule),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=zeros,
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def _sdxl_unet(width: int, time_ids: int, projection: int) -> UNet2DConditionModel:
    return tiny.unet(
        width,
        attention_head_dim=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=EMBEDDED,
        projection_class_embeddings_input_dim=time_ids * EMBEDDED + projection,
    )
