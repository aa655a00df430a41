"""What a config says of parts that may be several things: words, keys and names, and what is refused of them."""

import pytest
from tests.helpers.compositions import SCORE, mistakes, with_method

from retort.base.grammar import kind_by_key
from retort.config.schema import Config
from retort.config.schema.methods import Method
from retort.parts.compositions.mosaic import Mosaic
from retort.parts.scores.teacher import TeacherScore
from retort.parts.scores.typicality import TypicalityScore
from retort.parts.selections.coverage import CoverageSelect
from retort.parts.selections.discovery import DiscoverySelect
from retort.parts.selections.teacher import TeacherSelect

# ---------------------------------------------------------------- words and keys of what may be several things

SELECT_IS = (
    "must be random, all, {teacher: NAME, keep: ...}, {coverage: herding | k-centre | kmeans, encoder | teacher: NAME}"
    ", {discovery: NAME}, {score: KIND, dynamics: NAME, keep: ...} or {subgroups: G, teacher: NAME, ...}"
)
SCORE_IS = "must be {teacher: NAME, ...}, {teacher: NAME, gradient: ..., ...} or {typicality: NAME, ...}"
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
        "required, but missing: Patches are cut and scored in this way: {teacher: NAME, ...}, "
        "{teacher: NAME, gradient: ..., ...} or "
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
        "must be noise, {inversion: NAME, ...}, or {discovery: NAME, strength: ...}; "
        "found 'nois', did you mean 'noise'?",
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
        "must be ddim, ddpm, dpm++ or pndm, or a table with its kind and keys, such as "
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
        ["no discovery is called 'densty', did you mean 'density'?", "allowed: density, modes, density-xl"],
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
    ("select: {score: el2n, dynamics: lesons}", ".select.dynamics", ["no record of a training", "mean 'lessons'?"]),
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
        (
            "dynamics",
            {"teacher": "resnt"},
            "teacher",
            ["no teacher that is trained here", "'resnet'?"],
        ),
    ],
)
def test_shared_stage_names_a_model_of_the_right_kind(part, thing, place, words):
    [(where, text)] = mistakes("select: random", **{part: {"new": thing}})
    assert where == f"{part}.new.{place}"
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("part", ["teachers", "discoveries", "typicalities", "inversions", "dynamics"])
def test_name_is_refused_where_nothing_is_defined(part):
    named = {
        "teachers": "select: {teacher: resnet}",
        "discoveries": "select: {discovery: density}",
        "typicalities": "compose: {score: {typicality: dit}}",
        "inversions": "generate: {model: dit, start: {inversion: ddim}}",
        "dynamics": "select: {score: cad, dynamics: lessons}",
    }
    [*_, (_, text)] = mistakes(named[part], **{part: {}})
    assert text.endswith("(allowed: none is defined; define one)")


def test_all_dangling_names_of_a_method_are_listed_at_once():
    found = mistakes(
        "{generate: {model: dti, start: {inversion: dim}, guide: {discovery: densty}, pool: 2}, "
        "select: {coverage: kmeans, encoder: vea}}"
    )
    places = ["generate.model", "generate.start.inversion", "generate.guide.discovery", "select.encoder"]
    assert [where for where, _ in found] == [f"methods.x.{place}" for place in places]
