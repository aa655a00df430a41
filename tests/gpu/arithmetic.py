"""The most memory that a stage takes, by arithmetic: true shapes, default batches, no numbers (the meta device)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from retort.data.manifest import ClassEntry
from retort.evaluation.losses import soft_loss
from retort.methods import ddim
from retort.methods.ancestral import respace
from retort.methods.guidance import Guided
from retort.methods.refinement import refine
from retort.methods.typicality import typicality_maps
from retort.models.classifiers import build_classifier, normalised
from retort.models.codec import SLICED_FROM, Codec
from retort.models.dit import DiT
from retort.models.interface import Condition, LatentDiffusion
from retort.models.schedules import Schedule
from retort.models.stable_diffusion import TextToImage
from tests.gpu.harness import GIB
from tests.gpu.hub import empty_network
from tests.gpu.meter import LiveBytes, fused_attention
from tests.gpu.published import latent_sides, repositories

META = torch.device("meta")
ALPHAS = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
CONTEXT = 1.0  # GiB: CUDA itself and the workspaces of its libraries, which torch does not count
ROOM = {24: 22.0, 40: 39.0}  # GB of a card -> GiB that a job can have on it: an A10 and an L4 have 22.5, an A100 39.4
REPOSITORIES = {
    "dit": "facebook/DiT-XL-2-256",
    "sd": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
}
FIX = "madebyollin/sdxl-vae-fp16-fix"
ENTRY = ClassEntry(0, "n01440764", "tench")


class Told(TextToImage):
    """A UNet on the meta device; its prompts are numbers of the right shape that no text encoder has made."""

    def __init__(self, config: dict, codec: Codec, dtype: torch.dtype):
        self._shapes = {"prompt_embeds": (1, 77, config["cross_attention_dim"])}
        if sizes := config.get("projection_class_embeddings_input_dim"):
            pooled = sizes - 6 * config["addition_time_embed_dim"]
            self._shapes |= {"text_embeds": (1, pooled), "time_ids": (1, 6)}
        unet = empty_network("unet", config).to(dtype)
        super().__init__(unet, Schedule(ALPHAS, "epsilon"), codec)

    def encode_prompt(self, text: str) -> Condition:
        return {name: torch.zeros(shape, dtype=self.dtype, device=META) for name, shape in self._shapes.items()}

    def unet_arguments(self, condition: Condition) -> dict:
        added = {key: condition[key] for key in ("text_embeds", "time_ids") if key in condition}
        return {"encoder_hidden_states": condition["prompt_embeds"], **({"added_cond_kwargs": added} if added else {})}


def diffusion(kind: str, size: str, half: torch.dtype) -> tuple[LatentDiffusion, list[nn.Module]]:
    """A model on the meta device, and every network that lies on the GPU while it works."""
    networks, side = repositories(size)[REPOSITORIES[kind]].networks, 8 * latent_sides(size)[kind]
    encoder = codec(side, size, half)
    text = [
        empty_network(part, config).to(half) for part, config in networks.items() if part.startswith("text_encoder")
    ]
    if kind == "dit":
        model = DiT(empty_network("transformer", networks["transformer"]).to(half), ALPHAS, encoder)
    else:
        model = Told(networks["unet"], encoder, half)
    return model, [*model.networks, encoder.vae, *text]


def codec(side: int, size: str, half: torch.dtype) -> Codec:
    """In half precision at 1024 px, as configs/imagenet1k.yaml has it."""
    large = side >= 1024
    vae = empty_network("vae", repositories(size)[FIX].networks[""]).to(half if large else torch.float32)
    if side >= SLICED_FROM:
        vae.enable_slicing()
    return Codec(vae, side, META)


# ---------------------------------------------------------------- what stages do


@torch.inference_mode()
def generate(model: LatentDiffusion, batch: int) -> None:
    """Two guided steps of DDIM, and the images."""
    denoise = Guided(model, model.condition([ENTRY] * batch), 4.0)
    model.decode(ddim.sample(_latents(model, batch), denoise, ALPHAS, 50, 1))


@torch.inference_mode()
def invert(model: LatentDiffusion, batch: int) -> None:
    denoise = Guided(model, model.condition([ENTRY] * batch), 4.0)
    ddim.invert(_latents(model, batch), denoise, ALPHAS, 50, 2)


@torch.inference_mode()
def typicality(model: LatentDiffusion, batch: int) -> None:
    condition, null = model.condition([ENTRY] * batch), model.null(batch)
    times = torch.full((1,), 500)
    typicality_maps(model, _latents(model, batch), condition, null, _latents(model, 1), times)


def refined(model: LatentDiffusion, batch: int) -> None:
    """One iteration, with its gradient, and the images."""
    null, noise = model.null(batch), _latents(model, batch)
    indices, schedule = torch.full((batch, 1), 5), respace(ALPHAS, 50)
    settings = {"lr": 6e-4, "peak_weight": 0.1, "timestep": "mapped"}
    found, _ = refine(_latents(model, batch), noise, lambda x, t: model.eps(x, t, null), schedule, indices, **settings)
    with torch.inference_mode():
        model.decode(found)


@torch.inference_mode()
def encode(model: Codec, batch: int) -> None:
    model.encode(torch.zeros(batch, 3, model.resolution, model.resolution, device=META))


def student_steps(network: nn.Module, batch: int, side: int = 224, classes: int = 1000) -> None:
    """Two steps by stored labels; in the second one AdamW has its moments."""
    optimizer = torch.optim.AdamW(network.parameters(), foreach=False)
    for _ in range(2):
        images = normalised(torch.zeros(batch, 3, side, side, device=META))
        optimizer.zero_grad(set_to_none=True)
        soft_loss(network(images), torch.zeros(batch, classes, device=META), 20.0).backward()
        optimizer.step()


def _latents(model: LatentDiffusion, batch: int) -> Tensor:
    return torch.zeros(batch, *model.latent_shape, device=META)


# ---------------------------------------------------------------- their peaks


@dataclass(frozen=True)
class Work:
    """A row of the table: the rule, the kind of model (or the encoder's side, or an architecture), the batch."""

    rule: str
    model: str
    batch: int

    @property
    def name(self) -> str:
        return f"{self.rule} {self.model} {self.batch}"


DIFFUSION = {"generate_images": generate, "invert_latents": invert, "score_typicality": typicality}
DIFFUSION |= {"refine_latents": refined}
DEFAULTS = {  # the batches of the rules; a quarter for SDXL where the rule says so
    ("generate_images", "dit"): 16,
    ("generate_images", "sd"): 16,
    ("generate_images", "sdxl"): 16,
    ("invert_latents", "dit"): 128,
    ("invert_latents", "sd"): 128,
    ("invert_latents", "sdxl"): 32,
    ("score_typicality", "dit"): 64,
    ("score_typicality", "sd"): 64,
    ("refine_latents", "dit"): 16,
    ("refine_latents", "sd"): 16,
    ("refine_latents", "sdxl"): 4,
    ("encode_latents", "256"): 64,
    ("encode_latents", "512"): 64,
    ("encode_latents", "1024"): 64,
    ("train_students", "resnet18"): 200,
    ("train_students", "resnet50"): 200,
    ("train_students", "resnet101"): 100,
}
WORKS = [Work(rule, model, batch) for (rule, model), batch in DEFAULTS.items()]
WORKS += [Work("refine_latents", "sdxl", 2), Work("train_students", "resnet101", 200)]


def peak(work: Work, size: str = "full", half: torch.dtype = torch.float16) -> int:
    """Bytes of everything on the GPU at the peak of a work, with attention fused."""
    if work.rule in DIFFUSION:
        model, networks = diffusion(work.model, size, half)
        run: Callable[[], None] = lambda: DIFFUSION[work.rule](model, work.batch)  # noqa: E731
    elif work.rule == "encode_latents":
        encoder = codec(int(work.model), size, half)
        networks, run = [encoder.vae], lambda: encode(encoder, work.batch)
    else:
        side, classes = (224, 1000) if size == "full" else (32, 10)
        with META:
            network = build_classifier(work.model, classes, side)
        networks, run = [network], lambda: student_steps(network, work.batch, side, classes)
    with fused_attention(), LiveBytes() as meter:
        for network in networks:
            for tensor in (*network.parameters(), *network.buffers()):
                meter.hold(tensor)
        run()
    return meter.peak


def fits(peak: int, card: int) -> bool:
    """Whether a card of so many GB has room for it and for CUDA itself."""
    return peak / GIB + CONTEXT < ROOM[card]
