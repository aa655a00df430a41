"""Backbones at their true size with random weights: calls a second, eager and compiled, against the matmul peak.

python -m bench.backbones [--size full|tiny] [--batch 32] [--seconds 5]

On a GPU in half precision; on a CPU only --size tiny is sensible. A "call" is one forward pass for one latent. The last
column is what ImageNet-1K would take at the measured rate.
"""

import argparse
import time
from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch.utils.flop_counter import FlopCounterMode

IMAGES = 1_281_167
WORK = {"dit": ("inversion, 60 calls an image", 60 * IMAGES), "sdxl": ("50 calls for each of 10,000 images", 500_000)}
SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
TINY_SDXL = SDXL | {
    "sample_size": 16,
    "block_out_channels": (32, 32, 64),
    "transformer_layers_per_block": (1, 1, 1),
    "attention_head_dim": (1, 1, 2),
    "cross_attention_dim": 64,
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["full", "tiny"], default="full" if torch.cuda.is_available() else "tiny")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    peak = matmul_peak(device, dtype, options.seconds)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}, {dtype}, torch {torch.__version__}; matmul peak measured: {peak / 1e12:.3g} TFLOP/s\n")
    print("| work | mode | latents a second | TFLOP each | share of peak | for ImageNet-1K |")
    print("|---|---|---|---|---|---|")
    torch.manual_seed(0)
    for work, network, inputs in networks(options.size, options.batch, device, dtype):
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            network(*inputs)
        flops = counter.get_total_flops() / options.batch
        for mode, called in (("eager", network), ("compiled", torch.compile(network))):
            rate = options.batch * per_second(lambda run=called, given=inputs: run(*given), device, options.seconds)
            what, calls = WORK.get(work, ("every image once", IMAGES))
            hours = f"{calls / rate / 3600:.3g} h ({what})" if options.size == "full" else ""
            print(f"| {work} | {mode} | {rate:.4g} | {flops / 1e12:.3g} | {rate * flops / peak:.0%} | {hours} |")


def networks(size: str, batch: int, device: torch.device, dtype: torch.dtype):
    """Name, network as a function, and its inputs."""
    full = size == "full"
    shape = {"num_layers": 28, "num_attention_heads": 16, "attention_head_dim": 72} if full else {"num_layers": 2}
    dit = DiTTransformer2DModel(**shape, in_channels=4, out_channels=8, sample_size=32).eval().to(device, dtype)
    times, labels = torch.full((batch,), 500, device=device), torch.arange(batch, device=device)
    latents = torch.randn(batch, 4, 32, 32, device=device, dtype=dtype)
    yield "dit", lambda x, t, c: dit(x, timestep=t, class_labels=c).sample, (latents, times, labels)
    config = SDXL if full else TINY_SDXL
    unet = UNet2DConditionModel(**config).eval().to(device, dtype)
    side, width = config["sample_size"], config["cross_attention_dim"]
    latents = torch.randn(batch, 4, side, side, device=device, dtype=dtype)
    prompt = torch.randn(batch, 77, width, device=device, dtype=dtype)
    added = {
        "text_embeds": torch.randn(batch, 2816 - 6 * 256, device=device, dtype=dtype),
        "time_ids": torch.zeros(batch, 6, device=device, dtype=dtype),
    }
    yield "sdxl", lambda x, t, p: unet(x, t, p, added_cond_kwargs=added).sample, (latents, times, prompt)
    vae = AutoencoderKL(**VAE if full else {"block_out_channels": (64,)}).eval().to(device, dtype)
    images = torch.randn(batch, 3, 256 if full else 64, 256 if full else 64, device=device, dtype=dtype)
    yield "encode at 256 px", lambda x: vae.encode(x).latent_dist.mean, (images,)


def matmul_peak(device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 * per_second(lambda: a @ b, device, seconds)


@torch.inference_mode()
def per_second(run: Callable, device: torch.device, seconds: float) -> float:
    """How often `run` ends in a second, after two runs that are not counted."""
    run(), run()
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        run()
        wait()
        count += 1
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
