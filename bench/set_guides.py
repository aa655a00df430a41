"""What guides of sets add to a step of sampling: beside plain sampling by the DiT that comes with Retort, and alone.

python -m bench.set_guides [--images 10] [--steps 10]

One thread, CPU seconds. Sides run in turn, and the least of each counts. Terms alone are on made-up latents.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.rows import in_turn
from retort.data.manifest import ClassEntry
from retort.methods.sampling import Sampling, sample
from retort.methods.terms import Terms
from retort.models.gaussian import linear_schedule
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.parts.guides import Course, Guide
from retort.parts.resolve import part_of

MODELS = Path(__file__).resolve().parents[1] / "workflow" / "models" / "fashion-mnist"
GUIDES = {
    "repulsion": part_of("guides", {"kind": "repulsion", "least_sigma": 0}),  # at every step, which it usually is not
    "repulsion, Stein's form": part_of("guides", {"kind": "repulsion", "least_sigma": 0, "stein": True}),
    "volume": part_of("guides", {"kind": "volume", "mean_strength": 0.0}),
    "volume and mean": part_of("guides", "volume"),
}
LATENTS = {"DiT-XL at 256 px": (4, 32, 32), "SDXL at 1024 px": (4, 128, 128)}
GUIDANCE, REPEATS, SIDE = 1.5, 5, 32


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.set_guides", description=__doc__)
    parser.add_argument("--images", type=int, default=10, help="images of the one class that is sampled")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    beside_the_model(options.images, options.steps)
    alone()


@torch.inference_mode()
def beside_the_model(images: int, steps: int) -> None:
    """A row for plain sampling by DDIM, and for each guide the same with it."""
    codec = CodecFiles(str(MODELS / "vae"), "float32", SIDE)
    model = load_diffusion(ModelFiles(str(MODELS / "dit")), codec)
    noise = torch.randn(images, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    condition, means = model.condition([ClassEntry(0, "0", "0")] * images), torch.zeros_like(noise)

    def sampled(guides: Sequence[Guide]) -> None:
        by = Sampling(part_of("samplers", "ddim"), steps, None, GUIDANCE, guides)
        sample(model, condition, noise, by, [0] * images, None, lambda: noise, means=means)

    works = [lambda: sampled(()), *(lambda guide=guide: sampled([guide]) for guide in GUIDES.values())]
    sampled(())
    best, _ = in_turn(*works, repeats=REPEATS, clock=time.process_time)
    print(f"{images} images of one class by the shipped DiT, {tuple(model.latent_shape)}, {steps} steps of DDIM, CFG\n")
    print("| sampling | CPU ms a step | beside plain |", "|---|---|---|", sep="\n")
    for name, spent in zip(["plain", *GUIDES], best, strict=True):
        print(f"| {name} | {1e3 * spent / steps:.2f} | {spent / best[0]:.3f} |")


@torch.inference_mode()
def alone() -> None:
    """The terms alone at sizes of other backbones."""
    print("\n| term | latents | images | CPU ms a step |", "|---|---|---|---|", sep="\n")
    alphas = linear_schedule()
    for name, guide in GUIDES.items():
        for of, shape in LATENTS.items():
            for images in (10, 50):
                latents = torch.randn(images, *shape, generator=torch.Generator().manual_seed(0))
                course = Course(alphas, [500, 400], [0] * images, None, means=torch.zeros_like(latents))
                [term] = Terms([guide], course).arguments().values()
                given = (latents, 400, 0.5) if guide.acts_on() == "latents" else (latents, latents, 400, None)
                spent = []
                for _ in range(REPEATS):
                    began = time.process_time()
                    term(*given)
                    spent.append(time.process_time() - began)
                print(f"| {name} | {of} | {images} | {1e3 * min(spent):.2f} |")


if __name__ == "__main__":
    main()
