"""Which encoders have to encode the whole data set: only those whose latents something asks for."""

import pytest

from retort.config.load import load_config
from retort.plan.plan import Plan

MODELS = {
    "vae": {"kind": "vae", "train": {}},
    "hub-vae": {"kind": "vae", "source": "some/vae"},
    "dit": {"kind": "dit", "encoder": "vae", "train": {}},
    "hub": {"kind": "dit", "encoder": "hub-vae", "source": "some/dit"},
    "ideal": {"kind": "optimal", "encoder": "hub-vae"},
}
METHODS = {
    "random": ({"select": "random"}, []),
    "noise": ({"generate": {"model": "hub"}}, []),
    "trained": ({"generate": {"model": "dit"}}, ["vae"]),  # its training reads them
    "by heart": ({"generate": {"model": "ideal"}}, ["hub-vae"]),
    "inverted": ({"generate": {"model": "hub", "start": {"inversion": "ddim"}}}, ["hub-vae"]),
    "guided": ({"generate": {"model": "hub", "guide": {"discovery": "density"}}}, ["hub-vae"]),
    "apart": ({"generate": {"model": "hub", "guide": "repulsion"}}, []),
    "wide": ({"generate": {"model": "hub", "guide": {"kind": "volume", "mean_strength": 0}}}, []),
    "to the mean": ({"generate": {"model": "hub", "guide": ["repulsion", {"kind": "volume"}]}}, ["hub-vae"]),
    "found": ({"select": {"discovery": "density"}}, ["hub-vae"]),
    "herding": ({"select": {"coverage": "herding", "encoder": "hub-vae"}}, ["hub-vae"]),
    "by teacher": ({"select": {"coverage": "herding", "teacher": "resnet"}}, []),
    "pooled": ({"generate": {"model": "hub", "pool": 2}, "select": {"coverage": "kmeans", "encoder": "hub-vae"}}, []),
    "windows": ({"compose": {"score": {"typicality": "map"}}}, ["hub-vae"]),
    "crops": ({"compose": {"score": {"teacher": "resnet"}, "rank": {"clusters": 2, "encoder": "hub-vae"}}}, []),
}


@pytest.mark.parametrize("name", METHODS)
def test_only_latents_that_are_read_are_made(name):
    method, encoders = METHODS[name]
    config = {
        "dataset": {"kind": "digits"},
        "models": MODELS,
        "teachers": {"resnet": {"arch": "resnet8", "train": {}}},
        "inversions": {"ddim": {"model": "hub"}},
        "discoveries": {"density": {"encoder": "hub-vae"}},
        "typicalities": {"map": {"model": "hub"}},
        "methods": {"mine": method},
        "protocols": {
            "hard": {
                "labels": "hard",
                "views": {"steps": 5},
                "optimizer": {"kind": "sgd", "lr": 0.1, "schedule": "constant"},
            }
        },
        "runs": [{"methods": ["mine"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}],
    }
    assert Plan(load_config(config), ["a", "b"]).used_latents() == encoders
