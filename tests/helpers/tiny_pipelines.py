"""Tiny text-to-image pipelines of diffusers with random weights, and a vocabulary of single letters."""

import string

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTokenizer

from retort.data.manifest import ClassEntry
from retort.methods import dpm_solver
from retort.methods.ddim import sample
from retort.methods.guidance import Guided
from retort.models.interface import LatentDiffusion

SIDE = 16  # pixels; latents are half as large
LENGTH = 12  # tokens in a prompt
WITHIN = 2e-6  # of images in [0, 1] that are the same, but for rounding


def seeded(build, seed: int):
    """build() with weights drawn from `seed`, for inference."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().eval()


def tokenizer(pad: str = "<|endoftext|>") -> CLIPTokenizer:
    letters = ["!", *string.ascii_lowercase]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], pad_token=pad, model_max_length=LENGTH)


def text_config(width: int, activation: str) -> CLIPTextConfig:
    words = tokenizer()
    return CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=24,
        projection_dim=12,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        hidden_act=activation,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )


def unet(width: int, **more) -> UNet2DConditionModel:
    """Latents of 4 channels, told of prompts by `width` numbers a token."""
    build = {
        "sample_size": SIDE // 2,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": width,
        "norm_num_groups": 4,
    }
    return seeded(lambda: UNet2DConditionModel(**build | more), seed=1)


def vae(latent_channels: int = 4) -> AutoencoderKL:
    return seeded(
        lambda: AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=latent_channels,
            norm_num_groups=4,
        ),
        seed=2,
    )


def ddim_latents(pipeline, prompt: str, latents: torch.Tensor, steps: int, guidance: float) -> torch.Tensor:
    """Latents (steps, C, H, W) after each step of the pipeline's own loop, on DDIM's plain grid 0, s, 2s, ..."""
    settings = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 0, "timestep_spacing": "leading"}
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, **settings)
    pipeline.set_progress_bar_config(disable=True)
    seen = []

    def keep(_pipeline, _step, _timestep, tensors):
        seen.append(tensors["latents"])
        return tensors

    pipeline(
        prompt,
        height=SIDE,
        width=SIDE,
        num_inference_steps=steps,
        guidance_scale=guidance,
        latents=latents,
        output_type="latent",
        callback_on_step_end=keep,
    )
    return torch.cat(seen)


def check_guided_ddim(model: LatentDiffusion, pipeline, entry: ClassEntry, steps: int, guidance: float) -> None:
    """Our guided DDIM passes through the latents of the pipeline's, and guidance matters to them."""
    noise = torch.randn(1, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    denoise, asked = Guided(model, model.condition([entry]), guidance), []

    def recorded(latents, timestep):
        asked.append(latents)
        return denoise(latents, timestep)

    sample(noise, recorded, model.alphas_cumprod, steps, steps - 1)
    # Ours ends at alpha-bar of timestep 1, as D3HR's reference does, so the last two steps lead elsewhere.
    prompt, ours = entry.name.split(",")[0], torch.cat(asked[1:-1])
    expected = ddim_latents(pipeline, prompt, noise, steps, guidance)[:-2]
    assert len(ours) == steps - 2
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-5 * expected.abs().max().item())
    unguided = ddim_latents(pipeline, prompt, noise, steps, 1.0)[:-2]
    assert (unguided - expected).abs().max() > 1e-3


def stepped(model: LatentDiffusion, condition, noise: torch.Tensor, scheduler, steps: int, guidance: float):
    """Images in [0, 1] of our model, guidance and codec under a scheduler of diffusers."""
    denoise, latents = Guided(model, condition, guidance), noise
    scheduler.set_timesteps(steps)
    for timestep in scheduler.timesteps:
        eps = denoise(latents, int(timestep))
        latents = scheduler.step(eps, timestep, latents).prev_sample
    return shown(model, latents)


def shown(model: LatentDiffusion, latents: torch.Tensor) -> torch.Tensor:
    """Images in [0, 1], as pipelines give them."""
    return (model.decode(latents) / 2 + 0.5).clamp(0, 1)


def ddim(pipeline, **changes) -> DDIMScheduler:
    """The pipeline's schedule with the steps of DDIM, for models that predict the noise, which ours all do to us."""
    return DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False, **changes)


def karras(pipeline) -> DPMSolverMultistepScheduler:
    """The pipeline's schedule with the steps of DPM-Solver++ (2M, Karras)."""
    chosen = {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}
    return DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, **chosen)


def painted(pipeline, prompt: str, latents: torch.Tensor, steps: int, guidance: float, **more) -> torch.Tensor:
    """What a text-to-image pipeline of diffusers makes of these starting latents, one image at a time."""
    pipeline.set_progress_bar_config(disable=True)
    common = {"height": SIDE, "width": SIDE, "num_inference_steps": steps, "guidance_scale": guidance}
    images = [pipeline(prompt, **{"output_type": "pt"} | common | more, latents=z[None]).images for z in latents]
    return torch.cat(images)


def check_images(model: LatentDiffusion, pipeline, entry: ClassEntry, steps: int, guidance: float) -> None:
    """Images from the same noise agree: by DDIM at each guidance, and by our own DPM-Solver++.

    Karras sigmas lie between timesteps: there our noise comes from v at the nearest timestep, the pipeline's image
    from v at the sigma itself.
    """
    between = 2e-4 if pipeline.scheduler.config.prediction_type == "v_prediction" else WITHIN
    noise = torch.randn(2, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    condition, prompt = model.condition([entry] * 2), entry.name.split(",")[0]
    for scale in (1.0, guidance):
        pipeline.scheduler = ddim(pipeline)
        expected = painted(pipeline, prompt, noise, steps, scale)
        ours = stepped(model, condition, noise, ddim(pipeline, prediction_type="epsilon"), steps, scale)
        torch.testing.assert_close(ours, expected, rtol=0, atol=WITHIN)
        assert expected.std() > 0.01
        pipeline.scheduler = karras(pipeline)
        expected = painted(pipeline, prompt, noise, steps, scale)
        ours = dpm_solver.sample(noise, Guided(model, condition, scale), model.alphas_cumprod, steps)
        torch.testing.assert_close(shown(model, ours), expected, rtol=0, atol=between)
