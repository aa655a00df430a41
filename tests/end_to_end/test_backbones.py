"""Every kind of backbone, saved and loaded exactly as the real ones are, and carried from images to a table.

The models are tiny and of random weights: the images mean nothing. What is shown is that each method runs on its
paper's kind of backbone and on others.
"""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers import saved_pipelines, tiny_models
from tests.helpers.workspace import Workspace

NAMES = tiny_models.CLASSES
COLOURS = dict(zip(NAMES, ((200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40)), strict=True))
ON = {  # method -> the backbone it runs on; the papers' own, then crossings
    "d3hr": "dit",
    "cao2": "dit",
    "coda": "sdxl",
    "coda-refined": "sdxl-refined",
    "ddps": "sd",
    "d3hr-sd": "sd",
    "coda-dit": "dit",
}
GUIDE = {"discovery": "density", "strength": 0.1}
STEPS = {"steps": 6, "guidance": 2.0}


def save_images(folder) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        for name, colour in COLOURS.items():
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(np.array(colour) + rng.normal(0, 25, (16, 16, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")


def config_for(home) -> dict:
    def source(name, kind, **more):
        return {"kind": kind, "source": str(home / name), "encoder": "vae", **more}

    return {
        "dataset": {"kind": "folder", "path": str(home / "images"), "name": "tiny", "resolution": 16},
        "models": {
            "vae": {"kind": "vae", "source": str(home / "vae"), "posterior": "mean"},
            "dit": source("learned", "dit"),
            "sd": source("sd", "sd", prompt="image of {name}"),
            "sdxl": source("sdxl", "sdxl"),
            "sdxl-refiner": {"kind": "sdxl-refiner", "source": str(home / "refiner")},
            "sdxl-refined": source("sdxl", "sdxl", refiner={"model": "sdxl-refiner", "from": 0.5}),
        },
        "teachers": {"resnet": {"arch": "resnet8", "train": {"steps": 30, "batch": 16}}},
        "inversions": {name: {"model": name, "steps": 6, "stop": 3, "guidance": 2.0} for name in ("dit", "sd")},
        "discoveries": {
            "density": {"encoder": "vae", "umap": {"neighbors": 5, "components": 3}, "hdbscan": {"min_cluster_size": 3}}
        },
        "typicalities": {"sd": {"model": "sd", "draws": 3}},
        "methods": {
            "random": {"select": "random"},
            "d3hr": {"generate": {"model": "dit", "start": {"inversion": "dit", "groups": 50}, "guidance": 2.0}},
            "cao2": {
                "generate": {"model": "dit", "sampler": "ddpm", "pool": 2, **STEPS},
                "select": {"teacher": "resnet", "keep": "confident"},
                "refine": {"iterations": 3, "steps": 20},
            },
            "coda": {"generate": {"model": "sdxl", "sampler": "dpm++", "guide": GUIDE, **STEPS}},
            "coda-refined": {"generate": {"model": "sdxl-refined", "sampler": "dpm++", "guide": GUIDE, **STEPS}},
            "ddps": {
                "compose": {"score": {"typicality": "sd", "window": 0.5}, "rank": {"clusters": 2, "encoder": "vae"}}
            },
            "d3hr-sd": {"generate": {"model": "sd", "start": {"inversion": "sd", "groups": 50}, "guidance": 2.0}},
            "coda-dit": {"generate": {"model": "dit", "guide": GUIDE, **STEPS}},
        },
        "protocols": {
            "hard": {
                "labels": "hard",
                "views": {"steps": 3, "batch": 8, "cutmix": 0},
                "optimizer": {"kind": "sgd", "lr": 0.05, "schedule": "constant"},
                "evaluations": 1,
            }
        },
        "runs": [{"methods": ["random", *ON], "ipc": [2], "protocols": ["hard"], "students": ["resnet8s"], "seeds": 1}],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Workspace:
    """Models and images as a user would have them; fetched, then everything made."""
    home = tmp_path_factory.mktemp("backbones")
    tiny_models.save_models(home)
    saved_pipelines.save_stable_diffusion(home / "sd")
    saved_pipelines.save_sdxl(home / "sdxl")
    saved_pipelines.save_refiner(home / "refiner")
    save_images(home / "images")
    workspace = Workspace.fresh(home / "workspace", config_for(home))
    workspace.run("--cores", "2", "fetch")
    assert not workspace.planned("tables").keys() & {"fetch_model", "train_vae", "train_dit"}
    workspace.run("--cores", "2", "tables")
    return workspace


def pixels_of(workspace: Workspace, method: str) -> np.ndarray:
    folder = workspace.results("tiny", "distilled", method, "ipc2")
    files = pd.read_csv(folder / "manifest.csv")["file"]
    return np.stack([np.asarray(Image.open(folder / file)) for file in files]).astype(int)


def test_what_was_fetched_is_listed_with_what_it_is(run):
    models = pd.read_csv(run.results("tiny", "models.csv")).set_index("name")
    assert models["kind"].to_dict() == {
        "vae": "vae", "dit": "dit", "sd": "sd", "sdxl": "sdxl", "sdxl-refiner": "sdxl-refiner", "sdxl-refined": "sdxl"
    }  # fmt: skip
    assert (models["bytes"] > 0).all()
    assert models.loc["sdxl", "sha256"] == models.loc["sdxl-refined", "sha256"]
    assert models["sha256"].nunique() == 5


@pytest.mark.parametrize("method", ON)
def test_every_method_makes_its_set_on_its_backbone(run, method):
    images = pixels_of(run, method)
    assert images.shape == (2 * len(NAMES), 16, 16, 3)
    assert images.std(axis=(1, 2, 3)).min() > 1, "an image is blank"
    assert len({image.tobytes() for image in images}) == len(images), "two images are the same"
    told = json.loads(run.results("tiny", "distilled", method, "ipc2", "provenance.json").read_text())
    assert ON[method] in told["models"]


def test_the_refiner_changes_what_the_base_model_makes(run):
    base, refined = pixels_of(run, "coda"), pixels_of(run, "coda-refined")
    assert np.abs(base - refined).max() > 2


def test_the_table_has_a_row_for_every_method(run):
    assert set(pd.read_csv(run.results("accuracy.csv"))["method"]) == {"random", *ON}


def test_another_way_to_run_a_model_reruns_nothing(run):
    config = run.config
    for name in ("dit", "sd", "sdxl", "vae"):
        config["models"][name]["run"] = {"slicing": True, "offload": True, "compile": True}
    run.configure(config)
    assert run.planned("tables") == {}
