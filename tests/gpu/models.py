"""The models of the acceptance run: fetched from made-up repositories as configs/imagenet1k.yaml fetches them."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from retort.base.files import read_json
from retort.base.running import AUTOMATIC, Running
from retort.data.imagenet import subset_classes
from retort.models.load import CodecFiles, ModelFiles, RefinerFiles
from retort.stages.models.check_models import Encoder, Use, check_models
from retort.stages.models.fetch_model import fetch_model
from tests.gpu.harness import Bench
from tests.gpu.hub import OLD_NAMES, write_repository
from tests.gpu.published import latent_sides, repositories

DIT, FIX, SD = "facebook/DiT-XL-2-256", "madebyollin/sdxl-vae-fp16-fix", "stable-diffusion-v1-5/stable-diffusion-v1-5"
BASE, REFINER = "stabilityai/stable-diffusion-xl-base-1.0", "stabilityai/stable-diffusion-xl-refiner-1.0"
# Name -> kind, repository; as in configs/imagenet1k.yaml.
FETCHED = {
    "vae-256": ("vae", DIT),
    "dit": ("dit", DIT),
    "vae-1024": ("vae", FIX),
    "sdxl": ("sdxl", BASE),
    "sdxl-refiner": ("sdxl-refiner", REFINER),
    "vae-512": ("vae", SD),
    "sd": ("sd", SD),
}
ENCODERS = {"dit": "vae-256", "sd": "vae-512", "sdxl": "vae-1024"}
USES = [
    Use("dit", "vae-256", classes="imagenet1k"),
    Use("sdxl", "vae-1024"),
    Use("sdxl-refiner", "vae-1024"),
    Use("sd", "vae-512"),
]


def fetched(bench: Bench, *names: str) -> dict[str, Path]:
    """Name -> directory of models, made now where they are not there yet; all where no name is given."""
    names = names or tuple(FETCHED)
    missing = [name for name in names if not directory(bench, name).exists()]
    for repository in dict.fromkeys(FETCHED[name][1] for name in missing):
        source = written(bench, repository)
        for name in missing:
            if FETCHED[name][1] == repository:
                fetch(bench, name, source)
        shutil.rmtree(source)
    return {name: directory(bench, name) for name in names}


def directory(bench: Bench, name: str) -> Path:
    return bench.folder / "models" / name


def written(bench: Bench, repository: str) -> Path:
    """The folder of a made-up repository; the caller deletes it."""
    source = bench.folder / "hub" / repository.replace("/", "--")
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    found = repositories(bench.size)
    write_repository(found[repository], source, bench.device, list(found).index(repository))
    return source


def fetch(bench: Bench, name: str, source: Path) -> Path:
    target = directory(bench, name)
    target.parent.mkdir(exist_ok=True)
    fetch_model(
        str(target), name=name, kind=FETCHED[name][0], source=str(source), revision=None, heads=None, allow_pickle=True
    )
    return target


def check_all(bench: Bench) -> list[dict]:
    """The rows of models.csv. Raises RetortError for models that do not fit together."""
    import pandas as pd

    resolutions = {encoder: side_of(bench, kind) for kind, encoder in ENCODERS.items()}
    check_models(
        [str(directory(bench, name)) for name in FETCHED],
        str(bench.folder / "models.csv"),
        kinds={name: kind for name, (kind, _) in FETCHED.items()},
        encoders={encoder: Encoder(side) for encoder, side in resolutions.items()},
        uses=USES,
        class_ids=subset_classes("imagenet1k"),
    )
    return pd.read_csv(bench.folder / "models.csv").to_dict("records")


# ---------------------------------------------------------------- running them


def side_of(bench: Bench, kind: str) -> int:
    """Pixels of an image's side, for a kind of model."""
    return 8 * latent_sides(bench.size)[kind]


def codec_files(bench: Bench, kind: str, run: Running = AUTOMATIC) -> CodecFiles:
    """The encoder of a kind, in the dtype of configs/imagenet1k.yaml."""
    name = ENCODERS[kind]
    dtype = "float16" if name == "vae-1024" and bench.on_gpu else "float32"
    return CodecFiles(str(directory(bench, name)), dtype, side_of(bench, kind), run)


def model_files(bench: Bench, kind: str, run: Running = AUTOMATIC, refined: bool = False) -> ModelFiles:
    dtype = str(bench.half).removeprefix("torch.")
    refiner = RefinerFiles(str(directory(bench, "sdxl-refiner")), dtype, 0.8) if refined else None
    prompt = {"sd": "Image of {name}."}.get(kind, "{name}")
    classes = "imagenet1k" if kind == "dit" else "dataset"
    return ModelFiles(
        str(directory(bench, kind)), dtype, kind=kind, prompt=prompt, classes=classes, refiner=refiner, run=run
    )


# ---------------------------------------------------------------- weights


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights in a network's folder, under the names of the library's networks of today."""
    (file,) = [
        file for file in folder.iterdir() if file.suffix in (".bin", ".safetensors") and ".fp16." not in file.name
    ]
    weights = torch.load(file, weights_only=True) if file.suffix == ".bin" else load_file(file)
    return {todays_name(name): weight for name, weight in weights.items() if not name.endswith("position_ids")}


def todays_name(name: str) -> str:
    for new, old in OLD_NAMES.items():
        name = name.replace(f"attentions.0.{old}.", f"attentions.0.{new}.")
    return name


def differing(network: torch.nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Names of a loaded network's parameters that are not what was written, in the network's own dtype."""
    text = {name.removeprefix("text_model."): weight for name, weight in weights.items()}
    wrong = []
    for name, found in network.named_parameters():
        expected = weights.get(name, text.get(name.removeprefix("text_model.")))
        if expected is None or not torch.equal(found.cpu(), expected.to(found.dtype)):
            wrong.append(name)
    return wrong


def origin_faults(model: Path, source: Path) -> list[str]:
    """What is wrong with the record of a fetched model: files that it lacks, sizes and sums that are not theirs."""
    from retort.base.files import sha256_of

    origin, faults = read_json(model / "origin.json"), []
    files = {f.relative_to(model).as_posix(): f for f in model.rglob("*") if f.is_file() and f.name != "origin.json"}
    if files.keys() != origin["files"].keys():
        faults.append(f"files are {sorted(files)}, the record has {sorted(origin['files'])}")
    for name, file in files.items():
        if origin["files"].get(name) != {"bytes": file.stat().st_size, "sha256": sha256_of(file)}:
            faults.append(f"{name} is not as recorded")
    if (origin["source"], origin["revision"]) != (str(source), None):
        faults.append(f"source and revision are {origin['source']}, {origin['revision']}")
    if unread := [name for name in files if name.endswith((".bin", ".ckpt", ".onnx")) or ".fp16." in name]:
        faults.append(f"{unread} were taken, which nobody reads")
    return faults


def parts_of(model: Path) -> list[str]:
    """Folders of a fetched model that hold weights, "" where it is one network."""
    return sorted(file.parent.relative_to(model).as_posix().replace(".", "") for file in model.rglob("*.safetensors"))
