"""The config: what loads, and that every mistake is named with its place, what was found and what is allowed."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from retort.base.errors import RetortError
from retort.config.load import load_config

ROOT = Path(__file__).parents[3]
SHIPPED = [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]

BASE = """
dataset: {kind: digits}
models:
  vae: {kind: vae, train: {channels: [16, 32], norm_groups: 8}}
  dit: {kind: dit, encoder: vae, train: {steps: 10}}
  other: {kind: dit, encoder: vae, train: {steps: 10}}
teachers:
  resnet: {arch: resnet8, train: {steps: 10}}
inversions:
  ddim: {model: dit, steps: 50, stop: 30}
methods:
  random: {select: random}
  noise: {generate: {model: dit, start: noise}}
  d3hr: {generate: {model: dit, start: {inversion: ddim}}}
protocols:
  hard:
    labels: hard
    views: {steps: 10}
    optimizer: {kind: sgd, lr: 0.1, schedule: constant}
  soft:
    labels: {teacher: resnet, kind: region}
    views: {steps: 10, crop: [0.5, 1.0]}
    optimizer: {kind: adamw, lr: 0.1, schedule: half-cosine}
runs:
  - {methods: [random, d3hr], ipc: [1], protocols: [hard, soft], students: [resnet8]}
"""
GONE = object()


def edited(*edits: tuple[str, object]) -> dict:
    """The base config with the value at each dotted path replaced, added or, for GONE, taken out."""
    config = yaml.safe_load(BASE)
    for path, value in edits:
        put(config, [int(p) if p.isdigit() else p for p in path.split(".")], value)
    return config


def put(config, path: list, value) -> None:
    *parents, last = path
    for part in parents:
        config = config[part]
    if value is GONE:
        del config[last]
    else:
        config[last] = value


JARGON = re.compile(r"input should|\btags?\b|\bunion\b|discriminator|instance of|dictionary|\bfield\b|valid ", re.I)


def mistakes(raw) -> list[tuple[str, str]]:
    """(place, text) of every mistake found in a config, none of it in the words of a validation library."""
    with pytest.raises(RetortError) as caught:
        load_config(raw)
    message = str(caught.value)
    assert not JARGON.search(message), message
    head, *lines = message.split("\n  - ")
    assert head == ("the config has a mistake:" if len(lines) == 1 else f"the config has {len(lines)} mistakes:")
    return [tuple(line.split(": ", 1)) for line in lines]


# ---------------------------------------------------------------- what loads


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_config_loads(path):
    assert load_config(yaml.safe_load(path.read_text())).runs


def test_base_of_these_tests_loads():
    assert load_config(edited()).inversions["ddim"].stop == 30


def test_what_is_loaded_is_left_as_it_was():
    spoilt = ("teachers", None), ("dataset.kind", GONE), ("sede", 1), ("models.vae.train", None)
    raw = edited(*spoilt)
    assert mistakes(raw)
    assert raw == edited(*spoilt)


def test_numbers_that_yaml_reads_as_text_are_numbers():
    raw = yaml.safe_load(BASE.replace("lr: 0.1", "lr: 1e-3"))
    assert raw["protocols"]["hard"]["optimizer"]["lr"] == "1e-3"
    assert load_config(raw).protocols["hard"].optimizer.lr == 0.001


@pytest.mark.parametrize("part", ["teachers", "models", "inversions", "discoveries", "typicalities", "dynamics"])
def test_empty_entry_is_an_empty_table(part):
    plain = edited(("methods", {"random": {"select": "random"}}), ("protocols.soft", GONE), ("inversions", GONE))
    plain["runs"][0] |= {"methods": ["random"], "protocols": ["hard"]}
    assert getattr(load_config(plain | {part: None}), part) == {}


def test_empty_train_means_its_defaults():
    written = load_config(edited(("models.vae.train", {}), ("teachers.resnet.train", {})))
    assert load_config(edited(("models.vae.train", None), ("teachers.resnet.train", None))) == written


def test_sampling_may_state_the_steps_of_its_inversion():
    assert load_config(edited(("methods.d3hr.generate.steps", 50))).methods["d3hr"].generate.steps == 50


# ---------------------------------------------------------------- what does not

TEXT = {"kind": "sdxl", "source": "hub/id", "encoder": "vae"}
IMAGENET = {"kind": "imagenet", "path": "images", "name": "mine", "resolution": 32}
FOLDER = {"kind": "folder", "path": "images", "name": "mine", "resolution": 32}

BAD = [
    # unknown keys, at each level
    (
        "sede",
        1,
        "(top level)",
        ["unknown key 'sede'", "did you mean 'seed'?", "allowed: extends, seed, deterministic,"],
    ),
    ("dataset.resolutoin", 32, "dataset", ["unknown key 'resolutoin'", "did you mean 'resolution'?"]),
    ("models.vae.train.chanels", [8], "models.vae.train", ["'chanels'", "did you mean 'channels'?", "norm_groups"]),
    ("methods.noise.genrate", {}, "methods.noise", ["'genrate'", "did you mean 'generate'?", "select"]),
    (
        "methods.d3hr.generate.start.serch",
        "groups",
        "methods.d3hr.generate.start",
        ["'serch'", "did you mean 'search'?"],
    ),
    ("protocols.soft.labels.techer", "x", "protocols.soft.labels", ["'techer'", "did you mean 'teacher'?"]),
    (
        "protocols.hard",
        {"preset": "hard-100", "views": {"bacth": 8}},
        "protocols.hard.views",
        ["'bacth'", "did you mean 'batch'?"],
    ),
    ("models.vae.train", {20: None}, "models.vae.train", ["unknown key '20'"]),
    ("protocols.hard.preset", [], "protocols.hard", ["no preset is called []", "hard-100"]),
    ("runs.0.seed", 3, "runs[0]", ["unknown key 'seed'", "did you mean 'seeds'?", "students"]),
    # types
    ("seed", "zero", "seed", ["must be a whole number", "found 'zero'"]),
    ("seed", None, "seed", ["must be a whole number", "found nothing"]),
    ("models.dit.train.steps", True, "models.dit.train.steps", ["must be a number", "found True"]),
    ("models.dit.train.steps", 1.5, "models.dit.train.steps", ["must be a whole number", "found 1.5"]),
    ("protocols.hard.views.flip", "maybe", "protocols.hard.views.flip", ["must be true or false", "found 'maybe'"]),
    ("runs.0.methods", "random", "runs[0].methods", ["must be a list", "found 'random'"]),
    ("dataset", "digits", "dataset", ["must be a table", "found 'digits'"]),
    ("teachers.resnet", None, "teachers.resnet", ["must be a table", "found nothing"]),
    ("methods", None, "methods", ["must be a table", "found nothing"]),
    ("runs", {"seeds": 1}, "runs", ["must be a list", "found a table"]),
    ("dataset.classes", [0, "1"], "dataset.classes[0]", ["must be text", "found 0", "put it in quotes"]),
    ("dataset", FOLDER | {"class_names": {7: "x"}}, "dataset.class_names", ["the name 7 must be text", "quotes"]),
    # ranges and choices
    ("seed", -1, "seed", ["must be at least 0", "found -1"]),
    ("dataset.resolution", 4, "dataset.resolution", ["must be at least 8", "found 4"]),
    ("dataset", FOLDER | {"val_fraction": 1.0}, "dataset.val_fraction", ["must be less than 1", "found 1.0"]),
    ("models.dit.train.lr", 0, "models.dit.train.lr", ["must be more than 0", "found 0"]),
    ("models.dit.train.lr", float("inf"), "models.dit.train.lr", ["must be a finite number", "found inf"]),
    ("teachers.resnet.expect", 97, "teachers.resnet.expect", ["must be at most 1", "found 97"]),
    ("inversions.ddim.steps", 1, "inversions.ddim.steps", ["must be at least 2", "found 1"]),
    ("runs.0.seeds", 0, "runs[0].seeds", ["must be at least 1", "found 0"]),
    ("runs.0.ipc", [1, 0], "runs[0].ipc[1]", ["must be at least 1", "found 0"]),
    ("runs.0.ipc", None, "runs[0].ipc", ["required, but missing", "images per class", "ipc: [10]"]),
    ("runs.0.students", [], "runs[0].students", ["must have at least one entry", "found []"]),
    ("runs", [], "runs", ["must have at least one entry", "found []"]),
    ("dataset.kind", "digit", "dataset.kind", ["'digits' or 'fashion-mnist'", "found 'digit', did you mean 'digits'?"]),
    ("dataset.kind", GONE, "dataset.kind", ["must be 'cifar10' or 'cifar100' or 'digits'", "found nothing"]),
    ("dataset", IMAGENET | {"subset": "imagenete"}, "dataset.subset", ["'imagenette'", "did you mean 'imagenette'?"]),
    ("dataset", IMAGENET | {"check": "none"}, "dataset.check", ["must be 'decode' or 'header'", "found 'none'"]),
    (
        "dataset",
        IMAGENET | {"subset": "imagenette", "classes": ["n01440764", "n02102040"]},
        "dataset",
        ["give subset or classes, not both"],
    ),
    (
        "models.vae.kind",
        "vea",
        "models.vae.kind",
        ["must be 'vae' or 'dit' or 'optimal' or 'sd' or 'sdxl'", "found 'vea', did you mean 'vae'?"],
    ),
    ("models.vae.dtype", "double", "models.vae.dtype", ["'float64', 'float32'", "found 'double'"]),
    (
        "methods.random.select",
        "rnd",
        "methods.random.select",
        ["be random, all, {", "found 'rnd', did you mean 'random'?"],
    ),
    ("protocols.hard.optimizer.kind", "adam", "protocols.hard.optimizer.kind", ["'adam', did you mean 'adamw'?"]),
    ("protocols.hard.labels", "soft", "protocols.hard.labels", ["must be hard", "or {teacher: NAME", "found 'soft'"]),
    ("protocols.hard.labels", 3, "protocols.hard.labels", ["must be hard", "or {teacher: NAME", "found 3"]),
    (
        "methods.noise.generate.start",
        "nose",
        "methods.noise.generate.start",
        ["be noise, {inversion: NAME", "'nose'"],
    ),
    ("methods.noise.generate.start", None, "methods.noise.generate.start", ["{inversion: NAME", "found nothing"]),
    # things that must be there, or not be there together
    ("models.sd", {"kind": "sd", "encoder": "vae"}, "models.sd.source", ["required, but missing"]),
    ("runs", GONE, "runs", ["required, but missing"]),
    ("dataset", {"kind": "folder", "name": "x", "resolution": 8}, "dataset.path", ["required, but missing"]),
    ("models.vae.source", "hub/id", "models.vae", ["exactly one of train", "and source", "found both"]),
    ("models.vae", {"kind": "vae"}, "models.vae", ["exactly one of train", "and source", "found neither"]),
    ("methods.random", {}, "methods.random", ["give generate, select, compose or images", "found none of them"]),
    ("methods.noise.generate", None, "methods.noise", ["found none of them", "generate: nothing follows"]),
    ("methods.random.generate", None, "methods.random.generate", ["nothing follows", "leave the key out"]),
    ("methods.noise.generate.guide", None, "methods.noise.generate.guide", ["nothing follows", "leave the key out"]),
    ("methods.noise.select", "all", "methods.noise", ["select chooses from the pool", "leave generate out"]),
    (
        "protocols.hard.views.epochs",
        3,
        "protocols.hard.views",
        ["exactly one of updates, steps and epochs", "found steps and epochs"],
    ),
    (
        "protocols.hard.views.steps",
        GONE,
        "protocols.hard.views",
        ["exactly one of updates, steps and epochs", "none of them"],
    ),
    ("dataset", FOLDER | {"path": " "}, "dataset.path", ["must name a file or folder", "found ' '"]),
    ("dataset.name", "figures", "dataset.name", ["that of all data sets", "choose another name", "found 'figures'"]),
    ("runs.0", {"ipc": [1], "students": ["resnet8"], "protocols": ["hard"]}, "runs[0].methods", ["missing: "]),
    # things that contradict each other
    ("models.sd", TEXT | {"prompt": "a photo"}, "models.sd.prompt", ["must contain {name}, where", "found 'a photo'"]),
    ("inversions.ddim.stop", 50, "inversions.ddim", ["stop 50 must be less than steps 50"]),
    ("models.vae.train.norm_groups", 3, "models.vae.train", ["norm_groups 3 must divide", "[16, 32]"]),
    ("protocols.soft.views.crop", [1.0, 0.5], "protocols.soft.views.crop", ["0 < low <= high <= 1", "[1.0, 0.5]"]),
    ("protocols.soft.views.crop", [0, 0.5], "protocols.soft.views.crop", ["0 < low <= high <= 1", "[0, 0.5]"]),
    ("protocols.soft.views.crop", [0.5], "protocols.soft.views.crop[1]", ["required, but missing"]),
    ("dataset.classes", ["3", "1", "3"], "dataset.classes", ["named twice: 3", "found ['3', '1', '3']"]),
    ("dataset.classes", ["3"], "dataset.classes", ["at least two classes", "found ['3']"]),
    ("methods.d3hr.generate.steps", 40, "methods.d3hr.generate.steps", ["found 40", "'ddim'", "50", "leave steps out"]),
    ("methods.d3hr.generate.model", "other", "methods.d3hr.generate", ["by model 'dit'", "with 'other'", "same model"]),
    ("inversions.ddim.stop", 49, "methods.d3hr.generate.start.first_step", ["stops at 49", "50", "matched"]),
    # names
    ("models.sd", TEXT | {"encoder": "vea"}, "models.sd.encoder", ["no vae model", "did you mean 'vae'?"]),
    ("dataset.name", "my data", "dataset.name", ["letters, digits, - and _", "found 'my data'"]),
    ("methods.a/b", {"select": "all"}, "methods", ["the name 'a/b' must be made of letters"]),
    ("methods.<a>", {"select": "all"}, "methods", ["the name '<a>' must be made of letters"]),
    (
        "methods.all",
        {"select": "all"},
        "methods.all",
        ["taken by a target", "another than all, fetch, tables, figures, exports, report"],
    ),
    ("models.dit.encoder", "vea", "models.dit.encoder", ["no vae model is called 'vea', did you mean 'vae'?"]),
    ("models.other.encoder", "dit", "models.other.encoder", ["no vae model is called 'dit'", "allowed: vae"]),
    ("teachers.resnet.arch", "resnet9", "teachers.resnet.arch", ["architecture", "'resnet9'", "did you mean 'resnet8"]),
    (
        "methods.noise.generate.model",
        "vae",
        "methods.noise.generate.model",
        ["no diffusion model", "allowed: dit, other"],
    ),
    (
        "methods.d3hr.generate.start.inversion",
        "dim",
        "methods.d3hr.generate.start.inversion",
        ["no inversion is called 'dim', did you mean 'ddim'?", "allowed: ddim"],
    ),
    (
        "inversions.ddim.model",
        "vae",
        "inversions.ddim.model",
        ["no diffusion model is called 'vae'", "allowed: dit, other"],
    ),
    ("protocols.soft.labels.teacher", "resnt", "protocols.soft.labels.teacher", ["'resnt', did you mean 'resnet'?"]),
    ("teachers", None, "protocols.soft.labels.teacher", ["no teacher is called 'resnet'", "none is defined"]),
    (
        "runs.0.methods",
        ["rndom"],
        "runs[0].methods",
        ["'rndom', did you mean 'random'?", "allowed: random, noise, d3hr"],
    ),
    (
        "protocols.soft.labels",
        "own",
        "protocols.soft",
        ["temperature is missing", "give temperature: 1 for labels that"],
    ),
    ("protocols.soft.labels", "owns", "protocols.soft.labels", ["must be hard (the class), own (the soft labels"]),
    ("runs.0.protocols", ["Hard"], "runs[0].protocols", ["no protocol is called 'Hard', did you mean 'hard'?"]),
    ("runs.0.students", ["vgg"], "runs[0].students", ["no architecture is called 'vgg'", "convnet3"]),
]


@pytest.mark.parametrize(
    ("path", "value", "place", "words"), BAD, ids=[f"{path}={'gone' if v is GONE else v}"[:60] for path, v, *_ in BAD]
)
def test_mistake_is_named_with_its_place_what_was_found_and_what_is_allowed(path, value, place, words):
    [(where, text)] = mistakes(edited((path, value)))
    assert where == place
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("raw", [None, [], "seed: 0"])
def test_config_that_is_no_table_is_refused(raw):
    [(where, text)] = mistakes(raw)
    assert where == "(top level)"
    assert text.startswith("must be a table")


def test_all_mistakes_are_listed_at_once_even_beside_unknown_keys():
    raw = edited(
        ("seeed", -1),
        ("dataset.resolution", 4),
        ("models.vae.knd", "vae"),
        ("models.vae.kind", GONE),
        ("methods.noise.generate.modl", "dit"),
        ("methods.noise.generate.model", GONE),
        ("methods.noise.generate.strat", "noise"),
        ("protocols.hard.views.epochs", 3),
        ("runs.0.seeds", 0),
    )
    assert sorted(where for where, _ in mistakes(raw)) == [
        "(top level)",
        "dataset.resolution",
        "methods.noise.generate",
        "models.vae.kind",
        "protocols.hard.views",
        "runs[0].seeds",
        "seed",  # a misspelt key is read as the one that was meant
    ]


def test_own_labels_are_asked_only_of_sets_that_were_made_elsewhere():
    own = [("protocols.soft.labels", "own"), ("protocols.soft.temperature", 1)]
    [(where, text)] = mistakes(edited(*own))
    assert where == "runs[0]"
    assert text.startswith("the protocol 'soft' has labels: own, and random, d3hr have none; only methods with images")
    theirs = ("methods.theirs", {"images": "a/set"})
    config = load_config(edited(*own, theirs, ("runs.0.methods", ["theirs"])))
    assert config.protocols["soft"].teacher_labels is None


def test_what_says_something_of_own_labels_is_refused_where_there_are_none():
    [(where, text)] = mistakes(edited(("methods.random.soft_labels", "logits")))
    assert where == "methods.random"
    assert "soft_labels says something of a set that was made elsewhere" in text


def test_all_dangling_names_are_listed_at_once():
    raw = edited(("models.dit.encoder", "x"), ("teachers.resnet.arch", "x"), ("runs.0.students", ["x", "resnet8", "y"]))
    places = ["models.dit.encoder", "teachers.resnet.arch", "runs[0].students", "runs[0].students"]
    assert [where for where, _ in mistakes(raw)] == places


# ---------------------------------------------------------------- the same for every entry of the default config

DEFAULT = yaml.safe_load(SHIPPED[0].read_text())
# Tables whose keys are the user's own.
NAMED = (
    "models",
    "teachers",
    "inversions",
    "discoveries",
    "typicalities",
    "dynamics",
    "methods",
    "sweeps",
    "protocols",
)


def entries(value, path=()):
    """(path, value) of everything in a config, tables and lists included."""
    yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from entries(inner, (*path, key))


def written(path: tuple) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


LEAVES = [path for path, value in entries(DEFAULT) if not isinstance(value, dict | list)]
TABLES = [
    path
    for path, value in entries(DEFAULT)
    if isinstance(value, dict) and path not in [(n,) for n in NAMED] and not all(isinstance(key, int) for key in value)
]


@pytest.mark.parametrize("path", LEAVES, ids=written)
def test_wrong_kind_of_value_is_named_by_the_very_place_where_it_stands(path):
    raw = copy.deepcopy(DEFAULT)
    put(raw, list(path), {"nonsense": []})
    assert {where for where, _ in mistakes(raw)} <= {
        written(path),
        # A value of a sweep and the kind of a part are named by the table in which they stand.
        written(path[:-1]) if path[0] == "sweeps" or path[-1] == "kind" else written(path),
        f"{written(path)}.inversion",
        f"{written(path)}.teacher",
        f"{written(path)}.nonsense",  # where a number for each size of the set may stand
    }


@pytest.mark.parametrize("path", TABLES, ids=lambda path: written(path) or "top")
def test_unknown_key_is_named_in_every_table(path):
    raw = copy.deepcopy(DEFAULT)
    put(raw, [*path, "nonsense"], 1)
    [(where, text)] = mistakes(raw)
    assert where == (written(path) or "(top level)")
    assert text.startswith("unknown key 'nonsense' (allowed: ")
