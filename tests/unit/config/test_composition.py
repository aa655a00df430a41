"""Methods as compositions: what goes together loads, and what does not is refused with its place and a way out."""

import copy
import itertools
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from retort.base.errors import RetortError
from retort.base.grammar import kind_by_key
from retort.config.load import load_config
from retort.config.schema import Config
from retort.config.schema.methods import Method
from retort.parts.compositions.mosaic import Mosaic
from retort.parts.scores.teacher import TeacherScore
from retort.parts.scores.typicality import TypicalityScore
from retort.parts.selections.coverage import CoverageSelect
from retort.parts.selections.discovery import DiscoverySelect
from retort.parts.selections.teacher import TeacherSelect

SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "config.schema.json"

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
  density-xl: {encoder: sdxl-vae, umap: {neighbors: 85}, hdbscan: {min_cluster_size: 55}}
typicalities:
  dit: {model: dit}
  sd: {model: sd, draws: 10, low: 0.0, high: 1.0}
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


# ---------------------------------------------------------------- what goes together

LEGAL = {
    # the papers
    "d3hr": "generate: {model: dit, start: {inversion: ddim, search: groups, groups: 100000, skew_weight: 0.5}}",
    "d3hr-matched": "generate: {model: dit, start: {inversion: ddim, search: closed-form, first_step: matched}, "
    "steps: 50}",
    "cao2": "{generate: {model: twin, sampler: ddpm, steps: 50, guidance: 2.7, pool: 4}, "
    "select: {teacher: resnet, keep: confident, teacher_input: raw}, refine: {share: 0.125, timestep: index}}",
    "cao2-50": "{generate: {model: twin, sampler: ddpm, pool: 2}, select: {teacher: resnet, keep: uncertain}, "
    "refine: {condition: class, timestep: mapped}}",
    "coda": "generate: {model: sdxl, sampler: dpm++, guidance: 5, guide: {discovery: density-xl, strength: 0.1}}",
    "coda-real": "select: {discovery: density-xl}",
    "ddps": "compose: {score: {typicality: sd, window: 0.25}, rank: {clusters: 32, encoder: vae}, fill: consecutive}",
    "ddps-by-teacher": "compose: {score: {typicality: dit}, rank: {clusters: 32, teacher: resnet}, grid: 3}",
    # the baselines
    "random": "select: random",
    "full": "select: all",
    "herding": "select: {coverage: herding, encoder: sdxl-vae}",
    "kmeans": "select: {coverage: kmeans, teacher: resnet}",
    "confident": "select: {teacher: resnet}",
    "dit": "generate: {model: dit, start: noise}",
    "sdxl": "generate: {model: sdxl, sampler: dpm++}",
    "rded": "compose: {score: {teacher: resnet, images: 300, crops: 5, area: [0.08, 1.0]}, rounding: truncate}",
    "rded-spread": "compose: {score: {teacher: resnet, area: [0.5, 0.5]}, rank: {clusters: 8, encoder: vae}, grid: 1}",
    # compositions
    "d3hr-cao2": "{generate: {model: dit, start: {inversion: ddim}, pool: 4}, select: {teacher: resnet}, refine: {}}",
    "d3hr-coda": "generate: {model: dit, start: {inversion: ddim}, guide: {discovery: density}}",
    "cao2-coda": "{generate: {model: dit, sampler: ddpm, guide: {discovery: density}, pool: 2}, "
    "select: {coverage: herding, encoder: vae}, refine: {}}",
    "covering": "{generate: {model: sdxl, pool: 2}, select: {coverage: kmeans, teacher: resnet}}",
    "polished": "{generate: {model: sd}, refine: {steps: 4, share: 0.5}}",
    "unconditional": "generate: {model: dit, guidance: 0}",
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_goes_together_loads_and_means_what_it_says(name):
    written = yaml.safe_load(LEGAL[name])
    assert load(written).model_dump(mode="json", exclude_unset=True) == written


@pytest.mark.parametrize("name", LEGAL)
def test_editors_accept_what_goes_together(name):
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(with_method(LEGAL[name]))


@pytest.mark.parametrize("name", LEGAL)
def test_config_written_out_in_full_reads_back_the_same(name):
    config = load_config(with_method(LEGAL[name]))
    assert load_config(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))) == config


GENERATE = {"nothing": None, "set": {"model": "dit"}, "pool": {"model": "dit", "pool": 2}}
SELECT = {
    "nothing": None,
    "random": "random",
    "all": "all",
    "teacher": {"teacher": "resnet"},
    "coverage": {"coverage": "kmeans", "encoder": "vae"},
    "discovery": {"discovery": "density"},
}
STAGES = list(itertools.product(GENERATE, SELECT, (False, True), (False, True)))
FIT = {
    ("nothing", "nothing", False, True),
    *(("nothing", select, False, False) for select in SELECT if select != "nothing"),
    *(("set", "nothing", refine, False) for refine in (False, True)),
    *(("pool", select, refine, False) for select in ("teacher", "coverage") for refine in (False, True)),
}


@pytest.mark.parametrize("stages", STAGES, ids=str)
def test_stages_go_together_or_are_refused_whatever_the_combination(stages):
    generate, select, refine, compose = stages
    method = {"generate": GENERATE[generate], "select": SELECT[select]}
    method = {stage: given for stage, given in method.items() if given}
    method |= {"refine": {}} if refine else {}
    method |= {"compose": {"score": {"teacher": "resnet"}}} if compose else {}
    if stages in FIT:
        assert set(load(method).model_dump(exclude_none=True)) - {"fit"} == set(method)
    else:
        [(place, _)] = mistakes(method)
        assert place == "methods.x"


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpm++"])
@pytest.mark.parametrize("start", ["noise", {"inversion": "ddim"}], ids=["noise", "inversion"])
@pytest.mark.parametrize("guide", [None, {"discovery": "density"}], ids=["free", "guided"])
@pytest.mark.parametrize("guidance", [0, 0.5])
def test_sampling_goes_together_or_is_refused_whatever_the_combination(sampler, start, guide, guidance):
    generate = {"model": "dit", "sampler": sampler, "start": start, "guidance": guidance}
    generate |= {"guide": guide} if guide else {}
    refused = [
        *(["generate.start"] if start != "noise" and sampler != "ddim" else []),
        *(["generate.guide"] if guide and guidance == 0 else []),
    ]
    if not refused:
        assert load({"generate": generate}).generate.sampler.kind == sampler
        return
    [(place, text)] = mistakes({"generate": generate})
    assert place == "methods.x"
    assert [part for part in ("generate.start", "generate.guide") if part in text] == refused


# ---------------------------------------------------------------- what does not

SCORE = "score: {teacher: resnet}"
POOL = "generate: {model: dit, pool: 4}"

IMPOSSIBLE = [
    # stages
    ("{}", "", ["give generate, select, compose or images", "found none"]),
    ("refine: {}", "", ["found none", "nothing is generated", "add generate"]),
    ("{select: random, refine: {}}", "", ["refine moves the latents of generated images", "add generate"]),
    ("{compose: {" + SCORE + "}, refine: {}}", "", ["compose cuts patches from real images", "leave the others out"]),
    ("{compose: {" + SCORE + "}, select: random}", "", ["no pool to select from", "leave the others out"]),
    ("{compose: {" + SCORE + "}, generate: {model: dit}}", "", ["no sample to generate", "leave the others out"]),
    (
        "{" + POOL + ", select: random}",
        "",
        ["select chooses from the pool, and random", "give a teacher or a coverage"],
    ),
    ("{" + POOL + ", select: all}", "", ["and all chooses among real images", "leave generate out"]),
    ("{" + POOL + ", select: {discovery: density}}", "", ["a discovery chooses among real", "leave generate out"]),
    ("{generate: {model: dit}, select: {teacher: resnet}}", "", ["generate.pool is 1", "set a pool of 2 or more"]),
    (POOL, "", ["generate.pool is 4", "add select"]),
    ("{" + POOL + ", refine: {}}", "", ["generate.pool is 4", "add select"]),
    ("select: {teacher: resnet, teacher_input: raw}", "", ["select.teacher_input", "leave it out, or add generate"]),
    # sampling
    (
        "generate: {model: dit, sampler: ddpm, start: {inversion: ddim}}",
        "",
        ["generate.start", "'ddpm' does not visit", "use sampler: ddim, or start: noise"],
    ),
    (
        "generate: {model: dit, guidance: 0, guide: {discovery: density}}",
        "",
        ["generate.guide", "guidance 0 does not use", "raise guidance or leave guide out"],
    ),
    (
        "{generate: {model: dit, sampler: dpm++, start: {inversion: ddim}, pool: 2, guidance: 0, "
        "guide: {discovery: density}}}",
        "",
        ["generate.pool is 2", "; and generate.start", "'dpm++'", "; and generate.guide"],
    ),
    # within a stage
    ("{generate: {model: dit}, refine: {steps: 7}}", ".refine", ["0.25 of 7 steps leaves no step", "raise either"]),
    ("{generate: {model: dit}, refine: {share: 0.02}}", ".refine", ["0.02 of 50 steps leaves no step"]),
    ("{generate: {model: dit}, refine: {share: 0}}", ".refine.share", ["must be more than 0", "found 0"]),
    ("generate: {model: dit, pool: 0}", ".generate.pool", ["must be at least 1", "found 0"]),
    ("generate: {model: dit, guide: {}}", ".generate.guide.discovery", ["required, but missing"]),
    (
        "generate: {model: dit, guide: {discovery: density, until: 1.1}}",
        ".generate.guide.until",
        ["at most 1", "found 1.1"],
    ),
    (
        "compose: {score: {teacher: resnet, area: [0.5, 0.4]}}",
        ".compose.score.area",
        ["0 < low <= high <= 1", "[0.5, 0.4]"],
    ),
    ("compose: {score: {teacher: resnet, area: [0, 0.4]}}", ".compose.score.area", ["0 < low <= high <= 1"]),
    ("compose: {score: {teacher: resnet, area: [0.1, 2]}}", ".compose.score.area[1]", ["must be at most 1", "found 2"]),
    ("compose: {score: {typicality: dit, window: 0}}", ".compose.score.window", ["must be more than 0", "found 0"]),
    ("compose: {" + SCORE + ", grid: 17}", ".compose.grid", ["must be at most 16", "found 17"]),
    ("select: {coverage: kmeans}", ".select", ["give exactly one of encoder", "and teacher", "found neither"]),
    ("select: {coverage: kmeans, encoder: vae, teacher: resnet}", ".select", ["exactly one of encoder", "found both"]),
    ("compose: {" + SCORE + ", rank: {clusters: 3}}", ".compose.rank", ["exactly one of encoder", "found neither"]),
    (
        "compose: {" + SCORE + ", rank: {encoder: vae, teacher: resnet}}",
        ".compose.rank",
        ["exactly one of encoder", "found both"],
    ),
    # stages after which nothing is written
    ("{generate: {model: dit}, refine: }", ".refine", ["nothing follows", "leave the key out"]),
    ("{generate: {model: dit}, select: }", ".select", ["nothing follows", "leave the key out"]),
    ("{select: random, compose: }", ".compose", ["nothing follows", "leave the key out"]),
    ("generate: {model: dit, guide: }", ".generate.guide", ["nothing follows", "leave the key out"]),
]


@pytest.mark.parametrize(("method", "place", "words"), IMPOSSIBLE, ids=[method for method, *_ in IMPOSSIBLE])
def test_what_does_not_go_together_is_refused_with_its_place_and_a_way_out(method, place, words):
    [(where, text)] = mistakes(method)
    assert where == f"methods.x{place}"
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize(("low", "high"), [(0.7, 0.1), (0.5, 0.5)])
def test_timesteps_of_a_typicality_are_a_range(low, high):
    [(place, text)] = mistakes("select: random", typicalities={"t": {"model": "dit", "low": low, "high": high}})
    assert (place, text) == ("typicalities.t", f"low {low} must be less than high {high}")


# ---------------------------------------------------------------- words and keys of what may be several things

SELECT_IS = (
    "must be random, all, {teacher: NAME, keep: ...}, {coverage: herding | k-centre | kmeans, encoder | teacher: NAME} "
    "or {discovery: NAME}"
)
SCORE_IS = "must be {teacher: NAME, ...} or {typicality: NAME, ...}"
RANK_IS = "must be score, or {clusters: K, encoder | teacher: NAME}"
TEACHER_KEYS, COVERAGE_KEYS = "(allowed: teacher, keep, teacher_input)", "(allowed: coverage, encoder, teacher)"

SEVERAL = [
    ("select: rnadom", ".select", f"{SELECT_IS}; found 'rnadom', did you mean 'random'?"),
    ("select: herding", ".select", f"{SELECT_IS}; found 'herding'"),
    ("select: 3", ".select", f"{SELECT_IS}; found 3"),
    ("select: [random]", ".select", f"{SELECT_IS}; found ['random']"),
    ("select: {}", ".select", f"{SELECT_IS}; found a table with nothing in it"),
    ("select: {encoder: vae}", ".select", f"{SELECT_IS}; found a table with encoder"),
    ("select: {keep: confident, 1: 2}", ".select", f"{SELECT_IS}; found a table with keep, 1"),
    (
        "select: {covrage: kmeans, encoder: vae}",
        ".select",
        f"unknown key 'covrage', did you mean 'coverage'? {COVERAGE_KEYS}",
    ),
    (
        "select: {covrage: kmeans, teacher: resnet}",
        ".select",
        f"unknown key 'covrage', did you mean 'coverage'? {COVERAGE_KEYS}",
    ),
    (
        "select: {discover: density}",
        ".select",
        "unknown key 'discover', did you mean 'discovery'? (allowed: discovery)",
    ),
    (
        "select: {techer: resnet, keep: uncertain}",
        ".select",
        f"unknown key 'techer', did you mean 'teacher'? {TEACHER_KEYS}",
    ),
    ("select: {teacher: resnet, encoder: vae}", ".select", f"unknown key 'encoder' {TEACHER_KEYS}"),
    ("select: {discovery: density, teacher: resnet}", ".select", "unknown key 'teacher' (allowed: discovery)"),
    (
        "select: {coverage: kmean, encoder: vae}",
        ".select.coverage",
        "must be herding, k-centre or kmeans; found 'kmean', did you mean 'kmeans'?",
    ),
    (
        "select: {teacher: resnet, keep: confidnt}",
        ".select.keep",
        "must be 'confident' or 'uncertain'; found 'confidnt', did you mean 'confident'?",
    ),
    ("select: {teacher: 7}", ".select.teacher", "must be text; found 7 (put it in quotes)"),
    ("select: {discovery: {name: density}}", ".select.discovery", "must be text; found a table"),
    ("select: {coverage: kmeans, encoder: [vae]}", ".select.encoder", "must be text; found ['vae']"),
    (
        "compose: {}",
        ".compose.score",
        "required, but missing: Patches are cut and scored in this way: {teacher: NAME, ...} or "
        "{typicality: NAME, ...}",
    ),
    ("compose: {score: teacher}", ".compose.score", f"{SCORE_IS}; found 'teacher'"),
    ("compose: {score: }", ".compose.score", f"{SCORE_IS}; found nothing"),
    ("compose: {score: {window: 0.5}}", ".compose.score", f"{SCORE_IS}; found a table with window"),
    (
        "compose: {score: {typicalty: dit, window: 0.5}}",
        ".compose.score",
        "unknown key 'typicalty', did you mean 'typicality'? (allowed: typicality, window, per_image, keep)",
    ),
    (
        "compose: {score: {teacher: resnet, window: 0.5}}",
        ".compose.score",
        "unknown key 'window' (allowed: teacher, images, crops, area)",
    ),
    ("compose: {score: {typicality: dit, keep: 0}}", ".compose.score.keep", "must be at least 1; found 0"),
    ("compose: {score: {teacher: resnet, crops: few}}", ".compose.score.crops", "must be a whole number; found 'few'"),
    ("compose: {" + SCORE + ", rank: scores}", ".compose.rank", f"{RANK_IS}; found 'scores', did you mean 'score'?"),
    ("compose: {" + SCORE + ", rank: 3}", ".compose.rank", f"{RANK_IS}; found 3"),
    (
        "compose: {" + SCORE + ", rank: {cluster: 3, encoder: vae}}",
        ".compose.rank",
        "unknown key 'cluster', did you mean 'clusters'? (allowed: clusters, encoder, teacher)",
    ),
    (
        "compose: {" + SCORE + ", rank: {clusters: 0, encoder: vae}}",
        ".compose.rank.clusters",
        "must be at least 1; found 0",
    ),
    (
        "generate: {model: dit, start: nois}",
        ".generate.start",
        "must be noise, or {inversion: NAME, ...}; found 'nois', did you mean 'noise'?",
    ),
    (
        "generate: {model: dit, start: {inversoin: ddim}}",
        ".generate.start",
        "unknown key 'inversoin', did you mean 'inversion'? "
        "(allowed: inversion, search, groups, skew_weight, first_step)",
    ),
    (
        "generate: {model: dit, sampler: dpm+}",
        ".generate.sampler",
        "must be ddim, ddpm or dpm++, or a table with its kind and keys, such as "
        "{kind: ddim, eta: 0.5}; found 'dpm+', did you mean 'dpm++'?",
    ),
]


@pytest.mark.parametrize(("method", "place", "text"), SEVERAL, ids=[method for method, *_ in SEVERAL])
def test_wrong_word_or_key_gives_one_message_about_what_was_meant(method, place, text):
    assert mistakes(method) == [(f"methods.x{place}", text)]


def test_kind_of_a_table_is_that_of_its_own_key_well_or_badly_spelt_the_first_of_several():
    kinds = {"coverage": "a", "teacher": "b"}
    tables = [{"teacher": 1}, {"techer": 1}, {"teacher": 1, "coverage": 1}, {"keep": 1}, {3: 1}, {}]
    assert [kind_by_key(table, kinds) for table in tables] == ["b", "b", "a", None, None, None]


@pytest.mark.parametrize(
    "select",
    [
        TeacherSelect(teacher="resnet"),
        CoverageSelect(coverage="kmeans", encoder="vae"),
        DiscoverySelect(discovery="density"),
    ],
)
def test_method_may_be_made_of_what_is_typed_already(select):
    assert Method(select=select).select == select


@pytest.mark.parametrize("score", [TeacherScore(teacher="resnet"), TypicalityScore(typicality="dit")])
def test_composition_may_be_made_of_what_is_typed_already(score):
    method = Method(compose=Mosaic(score=score))
    assert method.compose.score == score
    assert Config.model_validate(with_method(method.model_dump(exclude_none=True))).methods["x"] == method


# ---------------------------------------------------------------- names of other parts

DANGLING = [
    (
        "generate: {model: dti}",
        ".generate.model",
        ["no diffusion model is called 'dti', did you mean 'dit'?", "dit, sd"],
    ),
    (
        "generate: {model: vae}",
        ".generate.model",
        ["no diffusion model is called 'vae'", "allowed: dit, sd, sdxl, twin"],
    ),
    (
        "generate: {model: dit, start: {inversion: dim}}",
        ".generate.start.inversion",
        ["no inversion is called 'dim', did you mean 'ddim'?", "allowed: ddim"],
    ),
    (
        "generate: {model: twin, start: {inversion: ddim}}",
        ".generate",
        ["'ddim', an inversion by model 'dit'", "samples with 'twin'", "name the same model"],
    ),
    (
        "generate: {model: dit, start: {inversion: ddim}, steps: 25}",
        ".generate.steps",
        ["found 25", "'ddim' fixes the grid at 50", "leave steps out"],
    ),
    (
        "generate: {model: dit, guide: {discovery: densty}}",
        ".generate.guide.discovery",
        ["no discovery is called 'densty', did you mean 'density'?", "allowed: density, density-xl"],
    ),
    (
        "generate: {model: dit, guide: {discovery: density-xl}}",
        ".generate.guide.discovery",
        [
            "'density-xl'",
            "latents of 'sdxl-vae'",
            "'dit' works on those of 'vae'",
            "name a discovery with that encoder",
        ],
    ),
    (
        "generate: {model: sdxl, guide: {discovery: density}}",
        ".generate.guide.discovery",
        ["'density'", "latents of 'vae'", "'sdxl' works on those of 'sdxl-vae'"],
    ),
    (
        "{generate: {model: dit, pool: 2}, select: {coverage: kmeans, encoder: sdxl-vae}}",
        ".select.encoder",
        ["found 'sdxl-vae'", "the pool's latents are those of 'vae', the encoder of 'dit'", "or a teacher"],
    ),
    (
        "{generate: {model: dit, pool: 2}, select: {coverage: kmeans, encoder: dit}}",
        ".select.encoder",
        ["no vae model is called 'dit'", "allowed: sdxl-vae, vae"],
    ),
    ("select: {coverage: herding, encoder: vea}", ".select.encoder", ["no vae model", "did you mean 'vae'?"]),
    ("select: {coverage: herding, teacher: resnt}", ".select.teacher", ["no teacher", "did you mean 'resnet'?"]),
    ("select: {teacher: resnt}", ".select.teacher", ["no teacher is called 'resnt', did you mean 'resnet'?"]),
    ("select: {discovery: densities}", ".select.discovery", ["no discovery", "did you mean 'density'?"]),
    ("compose: {score: {teacher: resnt}}", ".compose.score.teacher", ["no teacher", "did you mean 'resnet'?"]),
    ("compose: {score: {typicality: sdd}}", ".compose.score.typicality", ["no typicality", "did you mean 'sd'?"]),
    ("compose: {" + SCORE + ", rank: {encoder: vea}}", ".compose.rank.encoder", ["no vae model", "mean 'vae'?"]),
    ("compose: {" + SCORE + ", rank: {teacher: vae}}", ".compose.rank.teacher", ["no teacher", "allowed: resnet"]),
]


@pytest.mark.parametrize(("method", "place", "words"), DANGLING, ids=[method for method, *_ in DANGLING])
def test_name_that_points_nowhere_or_elsewhere_is_refused_with_what_was_meant(method, place, words):
    [(where, text)] = mistakes(method)
    assert where == f"methods.x{place}"
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize(
    ("part", "thing", "place", "words"),
    [
        ("discoveries", {"encoder": "dit"}, "encoder", ["no vae model is called 'dit'", "allowed: sdxl-vae, vae"]),
        ("typicalities", {"model": "sdx"}, "model", ["no diffusion model is called 'sdx'", "did you mean 'sdxl'?"]),
        (
            "inversions",
            {"model": "vae"},
            "model",
            ["no diffusion model is called 'vae'", "allowed: dit, sd, sdxl, twin"],
        ),
    ],
)
def test_shared_stage_names_a_model_of_the_right_kind(part, thing, place, words):
    [(where, text)] = mistakes("select: random", **{part: {"new": thing}})
    assert where == f"{part}.new.{place}"
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("part", ["teachers", "discoveries", "typicalities", "inversions"])
def test_name_is_refused_where_nothing_is_defined(part):
    named = {
        "teachers": "select: {teacher: resnet}",
        "discoveries": "select: {discovery: density}",
        "typicalities": "compose: {score: {typicality: dit}}",
        "inversions": "generate: {model: dit, start: {inversion: ddim}}",
    }
    [(_, text)] = mistakes(named[part], **{part: {}})
    assert text.endswith("(allowed: none is defined; define one)")


def test_all_dangling_names_of_a_method_are_listed_at_once():
    found = mistakes(
        "{generate: {model: dti, start: {inversion: dim}, guide: {discovery: densty}, pool: 2}, "
        "select: {coverage: kmeans, encoder: vea}}"
    )
    places = ["generate.model", "generate.start.inversion", "generate.guide.discovery", "select.encoder"]
    assert [where for where, _ in found] == [f"methods.x.{place}" for place in places]
