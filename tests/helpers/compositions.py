"""A config with one of everything that methods name, and a method called x."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.config.schema.methods import Method

SCHEMA = Path(__file__).parents[2] / "workflow" / "schemas" / "config.schema.json"

BASE = """
dataset: {kind: digits}
models:
  vae: {kind: vae, train: {}}
  sdxl-vae: {kind: vae, source: some/vae, resolution: 1024, posterior: mean}
  dit: {kind: dit, encoder: vae, train: {}}
  twin: {kind: dit, encoder: vae, source: some/dit, timestep_embedding: original}
  sd: {kind: sd, encoder: vae, source: some/sd, prompt: "Image of {name}."}
  sdxl: {kind: sdxl, encoder: sdxl-vae, source: some/sdxl}
teachers:
  resnet: {arch: resnet8, train: {}}
inversions:
  ddim: {model: dit, steps: 50, stop: 30}
discoveries:
  density: {encoder: vae}
  modes: {kind: kmeans, encoder: vae}
  density-xl: {encoder: sdxl-vae, umap: {neighbors: 85}, hdbscan: {min_cluster_size: 55}}
typicalities:
  dit: {model: dit}
  sd: {model: sd, draws: 10, low: 0.0, high: 1.0}
dynamics:
  lessons: {teacher: resnet, epochs: 6, until: 5}
methods:
  random: {select: random}
protocols:
  hard: {labels: hard, views: {steps: 10}, optimizer: {kind: sgd, lr: 0.1, schedule: constant}}
runs:
  - {methods: [random], ipc: [1], protocols: [hard], students: [resnet8]}
"""


def with_method(method, **parts: dict) -> dict:
    """The base config with a method called x, given as a mapping or as yaml, and with other parts replaced."""
    config = yaml.safe_load(BASE) | copy.deepcopy(parts)
    config["methods"]["x"] = yaml.safe_load(method) if isinstance(method, str) else copy.deepcopy(method)
    return config


def load(method, **parts: dict) -> Method:
    return load_config(with_method(method, **parts)).methods["x"]


def mistakes(method, **parts: dict) -> list[tuple[str, str]]:
    """(place, text) of every mistake; no message shows the tags by which the schema tells tables apart."""
    with pytest.raises(RetortError) as caught:
        load(method, **parts)
    assert not re.search(r"<\w+>", str(caught.value))
    return [tuple(line.split(": ", 1)) for line in str(caught.value).split("\n  - ")[1:]]


SCORE = "score: {teacher: resnet}"
