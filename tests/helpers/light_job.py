"""A process that imports as a job does: `python -m tests.helpers.light_job HOME` prints what it computed and imported.

HOME has the models of `tiny_models`.
"""

import json
import sys
from pathlib import Path

import torch

from retort.running import light_imports

UNUSED = (
    "transformers",
    "scipy.stats",
    "sympy",
    "torch._dynamo.utils",
    "torch._inductor",
    "diffusers.loaders.lora_base",
)


def numbers(home: Path) -> list[float]:
    """What a DiT predicts and a VAE makes of it, and the weights of that DiT after two steps of AdamW."""
    from retort.data.manifest import ClassEntry
    from retort.models.load import load_diffusion
    from tests.helpers.tiny_models import CLASSES, files

    torch.manual_seed(0)
    diffusion = load_diffusion(*files(home).values())
    noisy = torch.randn(len(CLASSES), *diffusion.latent_shape)
    condition = diffusion.condition([ClassEntry(i, name, name) for i, name in enumerate(CLASSES)])
    predicted = diffusion.eps(noisy, torch.tensor([10, 400, 700, 999]), condition)
    weights = [w.detach().clone().requires_grad_() for w in diffusion.transformer.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=1e-2)
    for _ in range(2):
        optimiser.zero_grad()
        sum(w.pow(4).sum() for w in weights).backward()
        optimiser.step()
    return [found.double().sum().item() for found in (predicted, diffusion.decode(predicted), *weights)]


def as_a_job(home: Path) -> None:
    """Prints the numbers, what was imported for them, and what is there once it is asked for."""
    light_imports.install()
    found = {"numbers": numbers(home), "imported": [name for name in UNUSED if name in sys.modules]}
    compiled = torch.compile(lambda value: value + 1, backend="eager")
    found["compiled"] = compiled(torch.ones(1)).item()
    from diffusers import StableDiffusionPipeline
    from diffusers.models.transformers import FluxTransformer2DModel
    from torch._dynamo import utils

    found["one module"] = utils is sys.modules["torch._dynamo.utils"] is sys.modules["torch._dynamo"].utils
    found["counted"] = utils.counters["stats"]["unique_graphs"]  # by the one module, or by none
    found["asked"] = [hasattr(StableDiffusionPipeline, "load_lora_weights"), FluxTransformer2DModel.__name__]
    print(json.dumps(found))


if __name__ == "__main__":
    as_a_job(Path(sys.argv[1]))
