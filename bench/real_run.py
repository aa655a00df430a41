"""What ImageNet-1K costs, by method and for the runs of a config: hours, disk, downloads; nothing here is measured.

    python -m bench.real_run

Models have their true shapes and no weights (torch's meta device), so their FLOPs are counted, not estimated. Hours are
those of one GPU that sustains SUSTAINED; of students and labels those of an A100 at published rates (see
bench/real_students.py). Step counts are those of configs/imagenet1k.yaml.
"""

from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

from bench import real_disk, real_students
from bench.backbones import SDXL, VAE
from bench.limits import flops
from bench.networks import XL
from bench.real_disk import SD15
from bench.rows import line
from retort.artifacts.costs import ALL
from retort.config.load import load_config
from retort.data.imagenet import subset_classes
from retort.models.classifiers import build_classifier
from retort.plan.plan import Plan

SUSTAINED = 0.40 * 989e12  # assumed: 40 % of the dense bfloat16 peak in NVIDIA's data sheet of the H100 SXM
IMAGES, CLASSES, IPCS = 1_281_167, 1000, (10, 50)
SUSTAINED_A100 = 0.40 * 312e12  # the same share, assumed, of the A100's
DIT, GRADIENT = "DiT-XL/2", "DiT-XL/2 and its gradient"
PIXELS, KEPT = 224 * 224 * 3, 256 * 256 * 3  # bytes of an image as students see it; of those of sets with side: 256
ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ("configs/imagenet1k.yaml", "configs/imagenette.yaml")
TOTALS = (
    *("runs of", "images: A100-hours", "labels, float32", "students, float32", "all, float32"),
    "all, labels and students in mixed precision",
)
DISK = (
    *("labels", "latents", "images made, and sets", "decoded pixels", "models stored narrow", "downloads", "all, GB"),
    "images in sets",
)
COST_OF = dict.fromkeys(("random", "herding", "kmeans", "full"), None) | {
    **{"dit": "dit", "dit-original": "dit", "dit-ddpm": "dit", "sdxl": "sdxl", "rded": "rded"},
    **{"d3hr": "d3hr", "cao2": "cao2", "cao2-many": "cao2", "coda": "coda", "coda-real": None, "mgd3": "mgd3"},
}
"""Method of a run -> method of `costs`; None for what takes real images as they are."""


@dataclass(frozen=True)
class Cost:
    """FLOPs and bytes: of all training images once, whatever the IPC, and of each image of a distilled set."""

    work: str
    once: float
    each: float
    bytes_once: float
    bytes_each: float


def main() -> None:
    with torch.device("meta"):
        calls = counted()
    print(line(("one call", "TFLOP")), line(("---", "---")), sep="\n")
    for name, operations in calls.items():
        print(line((name, f"{operations / 1e12:.3g}")))
    heads = ("method", "what is computed", "GPU-hours once", *(f"and for IPC {ipc}" for ipc in IPCS), "GB once")
    heads = (*heads, *(f"and for IPC {ipc}" for ipc in IPCS))
    print(f"\n{line(heads)}", line(["---"] * len(heads)), sep="\n")
    for method, cost in costs(calls, IMAGES, CLASSES).items():
        hours = [cost.once, *(cost.each * ipc * CLASSES for ipc in IPCS)]
        sizes = [cost.bytes_once, *(cost.bytes_each * ipc * CLASSES for ipc in IPCS)]
        cells = [_short(value / SUSTAINED / 3600) for value in hours] + [_short(value / 1e9) for value in sizes]
        print(line((f"`{method}`", cost.work, *cells)))
    heads, rows = real_students.table()
    print(f"\n{line(heads)}", line(["---"] * len(heads)), *map(line, rows), sep="\n")
    print(f"\n{line(TOTALS)}", line(["---"] * len(TOTALS)), sep="\n")
    for config in CONFIGS:
        print(line(total_cells(config, calls)))
    heads = ("config", *DISK)
    print(f"\n{line(heads)}", line(["---"] * len(heads)), sep="\n")
    for config in CONFIGS:
        print(line((f"`{config}`", *disk_cells(plan_of(config), calls))))


def plan_of(config: str) -> Plan:
    raw = yaml.safe_load((ROOT / config).read_text())
    with chdir(ROOT):  # what a config extends is named from there
        checked = load_config(raw)
    return Plan(checked, list(subset_classes(checked.dataset.subset)))


def total_cells(config: str, calls: dict[str, float]) -> list[str]:
    """Hours on one A100 of the runs of a config."""
    plan = plan_of(config)
    work = costs(calls, real_students.images_of(plan, ALL), len(plan.classes), _pool(plan))
    once = {COST_OF[method] for method in plan.wanted_methods if COST_OF[method]}
    sets = [(COST_OF[s["method"]], real_students.images_of(plan, s["ipc"])) for s in plan.distilled_sets()]
    made = sum(work[key].each * count for key, count in sets if key)
    images = (sum(work[key].once for key in once) + made) / SUSTAINED_A100 / 3600
    wide, mixed = (real_students.wanted_hours(plan, precision) for precision in real_students.PUBLISHED)
    hours = [images, wide["labels"], wide["students"], images + sum(wide.values()), images + sum(mixed.values())]
    return [f"`{config}`", *(_short(value) for value in hours)]


def disk_cells(plan: Plan, calls: dict[str, float]) -> list[str]:
    """GB of the runs of a config and of its models, and how many images its sets hold."""
    work = costs(calls, real_students.images_of(plan, ALL), len(plan.classes), _pool(plan))
    each = {m: work[COST_OF[m]].bytes_each if COST_OF[m] else 3 * plan.side_of(m) ** 2 for m in plan.wanted_methods}
    models, files = real_disk.models(plan), real_disk.on_disk(plan, each)
    sizes = [*files.values(), models["models stored narrow"], models["downloads"]]
    whole = sum(sizes)
    return [*(f"{size / 1e9:,.1f}" for size in (*sizes, whole)), f"{real_disk.images_in_sets(plan):,}"]


def _pool(plan: Plan) -> int:
    return plan.config.methods["cao2"].generate.pool


def costs(calls: dict[str, float], images: int, classes: int, pool: int = 4) -> dict[str, Cost]:
    """By method of configs/imagenet1k.yaml, for so many training images and classes; a CFG step is two calls."""
    dit, gradient, sdxl, sd, resnet = (calls[name] for name in (DIT, GRADIENT, "SDXL", "SD 1.5", "ResNet-18"))
    encode = {side: images * calls[f"encode {side}"] for side in (256, 512, 1024)}
    decode = {side: calls[f"decode {side}"] for side in (256, 1024)}
    small, large = 4 * 32 * 32 * 4, 4 * 128 * 128 * 4  # bytes of a float32 latent
    made, made_large = small + KEPT, large + KEPT  # bytes of an image made, and as much again for its PNG at most
    latents = {256: images * small, 512: images * 4 * 64 * 64 * 4, 1024: images * large / 2}
    statistics = classes * 2 * small * 2  # float64
    region = 300 * classes * 2  # bytes of float16 labels of an image in 300 epochs
    return {
        "dit": Cost("50 steps", 0, 100 * dit + decode[256], 0, made + KEPT),
        "d3hr": Cost(
            "inversion of 30 steps; 32 steps",
            encode[256] + images * 60 * dit,
            64 * dit + decode[256],
            latents[256] + statistics,
            2 * small + 2 * PIXELS,
        ),
        "cao2": Cost(
            f"a pool of {pool} by 50 steps; 100 steps with gradients",
            0,
            pool * (100 * dit + decode[256] + resnet) + 100 * gradient + decode[256],
            0,
            (pool + 1) * made + KEPT,
        ),
        "sdxl": Cost("25 steps", 0, 50 * sdxl + decode[1024], 0, made_large + KEPT),
        "coda": Cost(
            "latents at 1024 px; UMAP on CPUs, not counted; 25 steps",
            encode[1024],
            50 * sdxl + decode[1024],
            latents[1024] + IMAGES * 50 * 4,
            made_large + KEPT,
        ),
        "coda-dit": Cost(
            "latents at 256 px; UMAP on CPUs, not counted; 50 steps",
            encode[256],
            100 * dit + decode[256],
            latents[256] + IMAGES * 50 * 4,
            made + KEPT,
        ),
        "mgd3": Cost(
            "latents at 256 px; k-means on CPUs, not counted; 50 steps",
            encode[256],
            100 * dit + decode[256],
            latents[256],
            made + KEPT,
        ),
        "ddps": Cost(
            "typicality of 100 draws, SD 1.5 at 512 px",
            encode[512] + IMAGES * 200 * sd,
            0,
            latents[512] + IMAGES * 64 * 64 * 4,
            2 * PIXELS,
        ),
        "ddps-dit": Cost(
            "typicality of 100 draws, DiT at 256 px",
            encode[256] + IMAGES * 200 * dit,
            0,
            latents[256] + IMAGES * 32 * 32 * 4,
            2 * PIXELS,
        ),
        "rded": Cost("5 crops of 300 images a class", 1500 * classes * resnet, 0, 0, 2 * PIXELS),
        "soft labels": Cost("labels of 300 epochs", 0, 300 * resnet, 50_000 * PIXELS, region),
    }


def counted() -> dict[str, float]:
    """FLOPs of one call, for one latent or image, by model; on the meta device nothing is computed."""
    labels, time, latent = torch.zeros(1, dtype=torch.long), torch.zeros(1), torch.zeros(1, 4, 32, 32)
    dit = DiTTransformer2DModel(**XL, in_channels=4, out_channels=8).eval().requires_grad_(False)
    sdxl, sd = (UNet2DConditionModel(**shape).eval() for shape in (SDXL, SD15))
    vae, resnet = AutoencoderKL(**VAE).eval(), build_classifier("resnet18", CLASSES, 224).eval()
    added = {"text_embeds": torch.zeros(1, 1280), "time_ids": torch.zeros(1, 6)}

    def gradient() -> None:
        variable = latent.clone().requires_grad_()
        noisy = 2 * variable  # as in refinement; and the counter takes no leaf
        torch.autograd.grad(dit(noisy, timestep=labels, class_labels=labels).sample.sum(), variable)

    works: dict[str, Callable[[], object]] = {
        DIT: lambda: dit(latent, timestep=labels, class_labels=labels),
        "SDXL": lambda: sdxl(torch.zeros(1, 4, 128, 128), time, torch.zeros(1, 77, 2048), added_cond_kwargs=added),
        "SD 1.5": lambda: sd(torch.zeros(1, 4, 64, 64), time, torch.zeros(1, 77, 768)),
        "ResNet-18": lambda: resnet(torch.zeros(1, 3, 224, 224)),
    }
    for side in (256, 512, 1024):
        works[f"encode {side}"] = lambda side=side: vae.encode(torch.zeros(1, 3, side, side))
        works[f"decode {side}"] = lambda side=side: vae.decode(torch.zeros(1, 4, side // 8, side // 8))
    found = {GRADIENT: flops(gradient)}
    with torch.inference_mode():
        return found | {name: flops(work) for name, work in works.items()}


def _short(value: float) -> str:
    return "" if value == 0 else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


if __name__ == "__main__":
    main()
