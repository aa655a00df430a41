"""A plan whose methods share little, and one of every composition."""

from pathlib import Path

import yaml

from retort.config.load import load_config
from retort.plan.plan import Plan

CONFIG = """
dataset: {kind: digits, shard_classes: 4}
models:
  vae: {kind: vae, train: {}}
  idle-vae: {kind: vae, source: some/vae, resolution: 256}
  dit: {kind: dit, encoder: vae, train: {}}
  hub: {kind: dit, encoder: vae, source: some/dit}
  idle: {kind: dit, encoder: idle-vae, source: some/other}
teachers:
  resnet: {arch: resnet8, train: {}}
  idle: {arch: resnet8, train: {}}
inversions:
  ddim: {model: dit, steps: 40, stop: 20, guidance: 2.0}
  twin: {model: dit, steps: 40, stop: 20, guidance: 2.0}
methods:
  random: {select: random}
  full: {select: all}
  noise: {generate: {model: hub, guidance: 3.0}}
  short: {generate: {model: dit, steps: 10}}
  d3hr: {generate: {model: dit, start: {inversion: ddim}, guidance: 4.0}}
  weak: {generate: {model: dit, start: {inversion: ddim}, guidance: 1.0}}
  matched: {generate: {model: dit, start: {inversion: ddim, first_step: matched}}}
  fewer: {generate: {model: dit, start: {inversion: ddim, groups: 10}}}
  exact: {generate: {model: dit, start: {inversion: ddim, search: closed-form}}}
  elsewhere: {generate: {model: dit, start: {inversion: twin}}}
  never: {generate: {model: idle}}
protocols:
  hard: &hard
    labels: hard
    views: {steps: 10, batch: 8}
    optimizer: {kind: sgd, lr: 0.1, schedule: constant}
  soft: &soft {<<: *hard, labels: {teacher: resnet}}
  hot: {<<: *soft, temperature: 4, evaluations: 2}
  adam: {<<: *soft, optimizer: {kind: adamw, lr: 0.1, schedule: half-cosine}}
  longer: {<<: *soft, views: {steps: 20, batch: 8}}
  flipped: {<<: *soft, views: {steps: 10, batch: 8, flip: true}}
  judged: {<<: *soft, labels: {teacher: idle}}
  few: {<<: *soft, labels: {teacher: resnet, top: 3}}
  few-hot: {<<: *soft, labels: {teacher: resnet, top: 3}, temperature: 4}
  few-adam: {<<: *soft, labels: {teacher: resnet, top: 3}, optimizer: {kind: adamw, lr: 0.1, schedule: half-cosine}}
  static: {<<: *soft, labels: {teacher: resnet, kind: static}}
  static-longer: {<<: *soft, labels: {teacher: resnet, kind: static}, views: {steps: 20}}
  mixed: {<<: *soft, precision: bfloat16}
  mixed-parts: {<<: *soft, precision: bfloat16, accumulate: 2, forward_twice: true}
  static-mixed: {<<: *soft, labels: {teacher: resnet, kind: static}, precision: float16}
  online: {<<: *soft, labels: {teacher: resnet, kind: online}}
runs:
  - {methods: [random, full, noise], ipc: [1, 10], protocols: [hard, soft], students: [resnet8], seeds: 2}
  - {methods: [d3hr], ipc: [10, 5], protocols: [hard], students: [resnet8, convnet3], seeds: 1}
  - {methods: [random], ipc: [10], protocols: [hard], students: [resnet8], seeds: 5}
"""


STAGES = {path.stem for path in (Path(__file__).parents[2] / "workflow/retort/stages").glob("*/*.py")}


def plan_for(
    methods: list[str] | None = None, protocols: list[str] | None = None, classes=10, text=CONFIG, **dataset
) -> Plan:
    raw = yaml.safe_load(text)
    raw["dataset"] |= dataset
    if methods:
        raw["runs"] = [{"methods": methods, "ipc": [1], "protocols": protocols or ["hard"], "students": ["resnet8"]}]
    return Plan(load_config(raw), [f"class{i}" for i in range(classes)])


COMPOSED = """
dataset: {kind: digits, shard_classes: 5}
models:
  vae: {kind: vae, train: {}}
  fine-vae: {kind: vae, source: some/vae, resolution: 64}
  dit: {kind: dit, encoder: vae, train: {}, timestep_embedding: original}
  sd: {kind: sd, encoder: fine-vae, source: some/sd, dtype: float16, prompt: "Image of {name}."}
  idle: {kind: sdxl, encoder: fine-vae, source: some/sdxl}
teachers:
  judge: {arch: resnet8, train: {}}
  critic: {arch: resnet8, train: {}}
  idle: {arch: resnet8, train: {}}
inversions:
  ddim: {model: dit, steps: 40, stop: 20}
discoveries:
  density: {encoder: vae}
  coarser: {encoder: vae, hdbscan: {min_cluster_size: 50}}
  wider: {encoder: vae, umap: {neighbors: 85}}
  finer: {encoder: fine-vae}
  modes: {kind: kmeans, encoder: vae}
typicalities:
  dit: {model: dit}
  sd: {model: sd}
dynamics:
  lessons: {teacher: critic, epochs: 8, until: 6}
  others: {teacher: critic, epochs: 8, runs: 2}
methods:
  random: {select: random}
  full: {select: all}
  dit: {generate: {model: dit}}
  refined: {generate: {model: dit}, refine: {}}
  chosen: {generate: {model: dit, pool: 4}, select: {teacher: judge}}
  covering: {generate: {model: dit, pool: 4}, select: {coverage: kmeans, teacher: critic}}
  chosen-refined: {generate: {model: dit, pool: 2}, select: {coverage: herding, encoder: vae}, refine: {}}
  stronger: {generate: {model: dit, guidance: 5}}
  ancestral: {generate: {model: dit, sampler: ddpm, pool: 3}, select: {teacher: judge, keep: uncertain}}
  fast: {generate: {model: sd, sampler: dpm++}}
  guided: {generate: {model: dit, guide: {discovery: density, strength: 0.1, until: 0.5}}}
  guided-chosen:
    generate: {model: dit, guide: {discovery: density, strength: 0.1, until: 0.5}, pool: 2}
    select: {teacher: judge}
  guided-more: {generate: {model: dit, guide: {discovery: density, strength: 0.2, until: 0.5}}}
  guided-coarser: {generate: {model: dit, guide: {discovery: coarser, strength: 0.1, until: 0.5}}}
  d3hr: {generate: {model: dit, start: {inversion: ddim}}}
  d3hr-cao2: {generate: {model: dit, start: {inversion: ddim}, pool: 4}, select: {teacher: judge}, refine: {}}
  d3hr-coda: {generate: {model: dit, start: {inversion: ddim, first_step: matched}, guide: {discovery: density}}}
  moded: {generate: {model: dit, sampler: ddpm, guide: {discovery: modes, form: posterior}}}
  noised: {generate: {model: dit, start: {discovery: modes}, guide: {discovery: density}}}
  real: {select: {discovery: finer}}
  herding: {select: {coverage: herding, encoder: fine-vae}}
  kmeans: {select: {coverage: kmeans, teacher: critic}}
  confident: {select: {teacher: judge}}
  grouped: {generate: {model: dit, pool: 3}, select: {subgroups: 3, teacher: critic}, refine: {}}
  hardest: {select: {score: el2n, dynamics: lessons}}
  easiest: {select: {score: {kind: cad, span: 3}, dynamics: lessons, keep: easy}}
  rded: {compose: {score: {teacher: judge}}}
  rded-spread: {compose: {score: {teacher: judge}, rank: {clusters: 8, teacher: critic}, fill: consecutive}}
  rded-3: {compose: {score: {teacher: judge}, rank: {clusters: 8, teacher: critic}, grid: 3}}
  rded-few: {compose: {score: {teacher: judge, images: 10}}}
  ddps: {compose: {score: {typicality: dit}, rank: {clusters: 8, encoder: fine-vae}}}
  ddps-3: {compose: {score: {typicality: dit}, rank: {clusters: 8, encoder: fine-vae}, grid: 3, rounding: truncate}}
  ddps-more: {compose: {score: {typicality: dit}, rank: {clusters: 9, encoder: fine-vae}}}
  ddps-plain: {compose: {score: {typicality: dit}}}
  ddps-sd: {compose: {score: {typicality: sd}}}
  theirs: {images: a/set/made/elsewhere}
protocols:
  hard: {labels: hard, views: {steps: 10}, optimizer: {kind: sgd, lr: 0.1, schedule: constant}}
runs:
  - {methods: [random], ipc: [10], protocols: [hard], students: [resnet8]}
"""
METHODS = list(yaml.safe_load(COMPOSED)["methods"])


def composed_for(*methods: str, **dataset) -> Plan:
    return plan_for(list(methods), text=COMPOSED, **dataset)


SMALL = {
    "dataset": {"kind": "digits"},
    "models": {"vae": {"kind": "vae", "train": {}}, "dit": {"kind": "dit", "encoder": "vae", "train": {}}},
    "inversions": {"ddim": {"model": "dit"}},
    "methods": {"random": {"select": "random"}},
    "protocols": {
        "hard": {
            "labels": "hard",
            "views": {"steps": 1},
            "optimizer": {"kind": "sgd", "lr": 1, "schedule": "constant"},
        }
    },
    "runs": [{"methods": ["random"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}],
}


def plain(sampling: dict) -> dict:
    """Settings of sampling, with parts as a config says them."""
    guides = [guide.model_dump() for guide in sampling["guides"]]
    return sampling | {"sampler": sampling["sampler"].model_dump(), "guides": guides}
