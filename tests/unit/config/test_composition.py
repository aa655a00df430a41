"""Methods as compositions: what goes together loads, and what does not is refused with its place and a way out."""

import itertools
import json

import jsonschema
import pytest
import yaml
from tests.helpers.compositions import SCHEMA, SCORE, load, mistakes, with_method

from retort.config.load import load_config

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
    # more sets of one method
    "random again": "{select: random, seed: 1}",
    "kmeans again": "{select: {coverage: kmeans, encoder: vae}, seed: 1}",
    "d3hr again": "{generate: {model: dit, start: {inversion: ddim}}, seed: 7}",
    "rded again": "{compose: {score: {teacher: resnet}}, seed: 1}",
    "ddps again": "{compose: {score: {typicality: dit}, rank: {clusters: 8, encoder: vae}}, seed: 1}",
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
    "mgd3": "generate: {model: dit, sampler: ddpm, guided_channels: 3, guide: {discovery: modes, form: posterior}}",
    "mgd3-eta": "generate: {model: dit, sampler: {kind: ddim, eta: 1}, guide: {discovery: modes, form: posterior}}",
    "clean-unguided": "generate: {model: dit, sampler: dpm++, guidance: 0, guide: {discovery: modes, form: clean}}",
    "noised": "generate: {model: dit, start: {discovery: modes, strength: 0.4}, guide: {discovery: density}}",
    "modes-real": "select: {discovery: modes}",
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
        assert set(load(method).model_dump(exclude_none=True)) - {"fit", "seed"} == set(method)
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
    *(
        (f"{{{parts}, seed: 2}}", "", ["seed: nothing of this method is drawn at random", "leave seed out"])
        for parts in (
            *("select: all", "select: {teacher: resnet}", "select: {discovery: density}", "images: some/set"),
            *(f"select: {{coverage: {name}, encoder: vae}}" for name in ("herding", "k-centre")),
            "compose: {score: {typicality: dit}}",
        )
    ),
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
    (
        "generate: {model: dit, guide: {discovery: modes, form: posterior}}",
        "",
        ["the sampler 'ddim' adds no noise", "use sampler: ddpm", "form: clean"],
    ),
    (
        "generate: {model: dit, sampler: dpm++, guide: {discovery: modes, form: posterior}}",
        "",
        ["'dpm++' adds no noise"],
    ),
    (
        "generate: {model: dit, guide: {discovery: modes, form: mean}}",
        ".generate.guide.form",
        ["'posterior'", "'mean'"],
    ),
    ("generate: {model: dit, start: {discovery: modes, strength: 2}}", ".generate.start.strength", ["at most 1"]),
    ("generate: {model: dit, guided_channels: 0}", ".generate.guided_channels", ["at least 1", "found 0"]),
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
