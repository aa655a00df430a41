"""Latent refinement (CaO2): a batch of images against one image after the other, which gives the same latents.

    python bench/refinement.py [--images 40] [--iterations 100] [--width 128] [--layers 4] [--side 8] [--threads 2]

A DiT of the demo's size with random weights; noise, steps and rate as in the default config. The loop is what the
paper's code does. Wall-clock seconds on `--threads` threads, the two sides in turn, the best of `--repeats`.
"""

import argparse
import time

import numpy as np
import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

from retort.methods.ancestral import respace
from retort.methods.refinement import draw_indices, refine
from retort.models.dit import DiT


def small_dit(width: int, layers: int, side: int) -> DiT:
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        num_attention_heads=width // 32,
        attention_head_dim=32,
        in_channels=4,
        out_channels=4,
        num_layers=layers,
        sample_size=side,
        num_embeds_ada_norm=10,
    )
    alphas = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    return DiT(transformer, alphas, codec=None)


def refined(model: DiT, latents, noise, indices) -> torch.Tensor:
    null = model.null(len(latents))
    schedule = respace(model.alphas_cumprod, 50)
    return refine(latents, noise, lambda x, t: model.eps(x, t, null), schedule, indices, lr=6e-4, peak_weight=10.0)[0]


def one_by_one(model: DiT, latents, noise, indices) -> torch.Tensor:
    cut = [(latents[i : i + 1], noise[i : i + 1], indices[i : i + 1]) for i in range(len(latents))]
    return torch.cat([refined(model, *parts) for parts in cut])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--side", type=int, default=8)
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 16, 40])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, rng = small_dit(options.width, options.layers, options.side), torch.Generator().manual_seed(1)
    latents, noise = (torch.randn(options.images, *model.latent_shape, generator=rng) for _ in range(2))
    indices = torch.from_numpy(
        np.stack([draw_indices(50, 0.25, options.iterations, np.random.default_rng(i)) for i in range(options.images)])
    )

    def batched(size: int) -> torch.Tensor:
        return torch.cat(
            [
                refined(model, *(t[i : i + size] for t in (latents, noise, indices)))
                for i in range(0, len(latents), size)
            ]
        )

    sides = {"one by one": lambda: one_by_one(model, latents, noise, indices)}
    sides |= {f"batches of {size}": (lambda size=size: batched(size)) for size in options.batch}
    best, result = dict.fromkeys(sides, float("inf")), {}
    for _ in range(options.repeats):
        for name, run in sides.items():
            began = time.perf_counter()
            result[name] = run()
            best[name] = min(best[name], time.perf_counter() - began)
    print(f"{options.images} images, {options.iterations} iterations, {options.threads} threads\n")
    print("| side | seconds | ratio | largest difference of a latent |\n|---|---|---|---|")
    for name, seconds in best.items():
        apart = (result[name] - result["one by one"]).abs().max().item()
        print(f"| {name} | {seconds:.2f} | {best['one by one'] / seconds:.1f} | {apart:.1e} |")


if __name__ == "__main__":
    main()
