"""Which splits are decoded as a whole: the training split only for those who train on all of it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageOps
from torchvision.transforms import CenterCrop, Compose, Resize

from retort.base.tensors import open_tensors
from retort.config.load import load_config
from retort.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[3]
METHODS = {
    "random": {"select": "random"},
    "herding": {"select": {"coverage": "herding", "encoder": "vae"}},
    "found": {"select": {"discovery": "density"}},
    "windows": {"compose": {"score": {"typicality": "map"}, "rank": {"clusters": 2, "encoder": "vae"}}},
    "d3hr": {"generate": {"model": "dit", "start": {"inversion": "ddim"}}},
    "coda": {"generate": {"model": "dit", "guide": {"discovery": "density"}, "sampler": "dpm++"}},
    "full": {"select": "all"},
}
ALL_BUT_FULL = [name for name in METHODS if name != "full"]


def config_of(methods: list[str], labels="hard", vae: dict | None = None, path: str = "images") -> dict:
    run = {"methods": methods, "ipc": [1], "protocols": ["only"], "students": ["resnet8"]}
    recipe = {"views": {"steps": 5}, "optimizer": {"kind": "sgd", "lr": 0.1, "schedule": "constant"}}
    return {
        "dataset": {"kind": "folder", "name": "mine", "path": path, "resolution": 32, "test_crop": 0.875},
        "models": {
            "vae": {"kind": "vae"} | (vae or {"source": "some/vae"}),
            "dit": {"kind": "dit", "encoder": "vae", "source": "some/dit"},
        },
        "teachers": {"resnet": {"arch": "resnet8", "train": {}}},
        "inversions": {"ddim": {"model": "dit"}},
        "discoveries": {"density": {"encoder": "vae"}},
        "typicalities": {"map": {"model": "dit"}},
        "methods": {name: METHODS[name] for name in methods},
        "protocols": {"only": recipe | {"labels": labels}},
        "runs": [run],
    }


TRAINED = {"train": {}}
SOFT = {"teacher": "resnet", "kind": "static"}


@pytest.mark.parametrize(
    ("config", "splits"),
    [
        (config_of(ALL_BUT_FULL), ["val"]),
        (config_of(["random"], vae=TRAINED), ["val"]),  # a VAE that nobody runs
        (config_of(["d3hr"], vae=TRAINED), ["train", "val"]),
        (config_of(["random"], labels=SOFT), ["train", "val"]),  # by the teacher, which is trained here
        (config_of(["full"]), ["train", "val"]),
    ],
    ids=["no training", "unused vae", "vae", "teacher", "full set"],
)
def test_the_training_split_is_decoded_only_for_those_who_train_on_all_of_it(config, splits):
    assert Plan(load_config(config), ["a", "b"]).decoded_splits() == splits


def snakemake(folder: Path, config: dict, *arguments: str) -> str:
    """What it prints, when it works in `folder`."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", *arguments, "-s", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), "--cores", "1"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_nothing_else_asks_for_the_decoded_training_split(tmp_path):
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / "images" / split / name / "0.png")
    planned = snakemake(tmp_path, config_of(ALL_BUT_FULL, path=str(tmp_path / "images")), "-n")
    assert len(re.findall(r"^rule write_set:", planned, re.M)) == len(ALL_BUT_FULL)
    assert re.findall(r"\S+/pixels/\w+", planned)
    assert set(re.findall(r"pixels/(\w+)", planned)) == {"val"}


def test_a_set_is_the_same_whatever_its_students_are_tested_on():
    about = Plan(load_config(config_of(["random"])), ["a", "b"]).provenance_of("random")
    assert about["data"]["resolution"] == 32
    assert not {"test_crop", "test_resize"} & set(about["data"])


def test_only_evaluation_images_lose_their_borders_to_the_test_crop(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            pixels = rng.integers(0, 256, (60, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / split / name / "0.png")
    snakemake(tmp_path, config_of(["random"], path=str(tmp_path / "images")), *DECODED)
    for split, transform in (("train", whole), ("val", cropped)):
        found = open_tensors(tmp_path / f"results/mine/pixels/{split}.safetensors")["pixels"]
        files = [tmp_path / "images" / split / name / "0.png" for name in ("ant", "bee")]
        np.testing.assert_array_equal(found, [transform(Image.open(file)) for file in files])


DECODED = [f"results/mine/pixels/{split}.safetensors" for split in ("train", "val")]


def whole(image: Image.Image) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (32, 32), Image.Resampling.BICUBIC))


def cropped(image: Image.Image) -> np.ndarray:
    """32 pixels of 37: 32 / 0.875 is 36.6."""
    return np.asarray(Compose([Resize(37), CenterCrop(32)])(image))
