"""load: each model with every way of running it; its weights are those that were written."""

import gc

import torch

from retort.base.running import Running
from retort.data.manifest import ClassEntry
from retort.models.backbone import Backbone
from retort.models.load import load_diffusion
from tests.gpu import models
from tests.gpu.harness import GIB, Bench, Checks

WAYS = {"as it is": Running(), "offload": Running(offload=True), "slicing": Running(slicing=True)}
WAYS |= {"mmap": Running(load="mmap"), "eager": Running(load="eager")}
ENTRY = ClassEntry(0, "n01440764", "tench, Tinca tinca")


@torch.inference_mode()
def run(bench: Bench, checks: Checks) -> None:
    models.fetched(bench)
    for kind in models.ENCODERS:
        for way, running in WAYS.items():
            load(bench, checks, kind, way, running)
    load(bench, checks, "sdxl", "with its refiner", WAYS["offload"], refined=True)


def load(bench: Bench, checks: Checks, kind: str, way: str, running: Running, refined: bool = False) -> None:
    """Load a model in one of the WAYS and compare every weight with its file."""
    held, found = [], {}

    def begin() -> None:
        found["model"] = load_diffusion(
            models.model_files(bench, kind, running, refined), models.codec_files(bench, kind, running)
        )

    gc.collect()
    before = torch.cuda.memory_allocated() if bench.on_gpu else 0
    seconds = bench.timed(begin)
    model = found.pop("model")
    if bench.on_gpu:
        checks.figure(f"{kind}, {way}: GiB on the GPU", (torch.cuda.memory_allocated() - before) / GIB)
    checks.figure(f"{kind}, {way}: seconds to load", seconds)
    for name, (network, folder) in networks_of(bench, kind, model, refined).items():
        wrong = models.differing(network, models.read_weights(folder))
        checks.that(f"{kind}, {way}: {name} as written", not wrong, ", ".join(wrong[:3]))
        waits = running.offload and (name.startswith("text") or name == "vae")
        home = "cpu" if waits else bench.device.type
        held += [(name, network, home)]
    if bench.size != "few":  # whose images are as large as the published model's
        _compute(bench, checks, kind, way, model)
    for name, network, home in held:
        places = {parameter.device.type for parameter in network.parameters()}
        checks.that(f"{kind}, {way}: {name} is on the {home}", places == {home}, ", ".join(places))


def _compute(bench: Bench, checks: Checks, kind: str, way: str, model: Backbone) -> None:
    condition = model.condition([ENTRY])
    times = torch.tensor([500], device=model.device)
    eps = model.eps(torch.randn(1, *model.latent_shape).to(model.device), times, condition)
    checks.that(f"{kind}, {way}: predicts finite noise", eps.isfinite().all(), eps.std().item())
    image = model.decode(eps / eps.std())
    checks.that(f"{kind}, {way}: decodes", image.isfinite().all() and image.shape[-1] == models.side_of(bench, kind))


def networks_of(bench: Bench, kind: str, model: Backbone, refined: bool) -> dict:
    """Name -> each network of a loaded model, and the folder of its weights."""
    home, encoder = models.directory(bench, kind), models.directory(bench, models.ENCODERS[kind])
    found = {"vae": (model.codec.vae, encoder)}
    if kind == "dit":
        return found | {"transformer": (model.transformer, home / "transformer")}
    found["unet"] = (model.unet, home / "unet")
    if kind == "sd":
        return found | {"text_encoder": (model.text_encoder, home / "text_encoder")}
    for name, encoder in zip(("text_encoder", "text_encoder_2"), model.text_encoders, strict=True):
        found[name] = (encoder, home / name)
    if refined:
        other = models.directory(bench, "sdxl-refiner")
        found["refiner"] = (model.refiner.unet, other / "unet")
        found["text_encoder_2 of the refiner"] = (model.refiner.text_encoder, other / "text_encoder_2")
    return found
