"""Guides of sets and lists of guides in a config: what loads, what editors accept, and what is refused."""

import json

import jsonschema
import pytest
import yaml
from tests.helpers.compositions import SCHEMA, load, mistakes, with_method

from retort.config.load import load_config
from retort.parts.guides import SetGuide
from retort.report.words import guides_of, method_line

LEGAL = {
    "word": "generate: {model: dit, guide: repulsion}",
    "table": "generate: {model: dit, guide: {kind: repulsion, strength: 0.5, together: 4, least_sigma: 0.5}}",
    "pool": "{generate: {model: dit, sampler: ddpm, guide: {kind: volume, until: 0.5}, pool: 4}, "
    "select: {teacher: resnet}, refine: {}}",
    "asf": "generate: {model: sd, sampler: {kind: dpm++, spacing: linspace}, start: {discovery: modes, strength: 0.6}, "
    "guide: {kind: repulsion, together: 4}}",
    "d3hr": "generate: {model: dit, start: {inversion: ddim}, guide: {kind: volume, mean_strength: 0.0}}",
    "coda and repulsion": "generate: {model: dit, sampler: dpm++, guide: [{discovery: density}, repulsion]}",
    "mgd3 and volume": "generate: {model: dit, sampler: ddpm, "
    "guide: [{discovery: modes, form: posterior}, {kind: volume}]}",
    "three": "generate: {model: dit, guide: [{discovery: modes, form: clean}, {kind: repulsion, together: 5}, "
    "{kind: volume, together: 5}]}",
    "list of one": "generate: {model: dit, guide: [{kind: repulsion, strength: 2.0}]}",
    "unconditional": "generate: {model: dit, guidance: 0, guide: repulsion}",
    "xl": "generate: {model: sdxl, sampler: dpm++, guide: [{discovery: density-xl}, {kind: volume}]}",
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_goes_together_loads_is_accepted_by_editors_and_reads_back_the_same(name):
    written = with_method(LEGAL[name])
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(written)
    config = load_config(written)
    assert load_config(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True)))) == config
    guides, given = config.methods["x"].generate.guides, yaml.safe_load(LEGAL[name])
    given = given["generate"]["guide"]
    assert len(guides) == (len(given) if isinstance(given, list) else 1)
    assert any(isinstance(guide, SetGuide) for guide in guides)


def test_without_a_guide_there_is_none_and_one_is_what_it_was():
    assert load("generate: {model: dit}").generate.guides == []
    generate = load("generate: {model: dit, guide: {discovery: density}}").generate
    assert generate.guides == [generate.guide]
    assert generate.guide.kind == "representatives"


REFUSED = [
    ("guide: {kind: repulsion, together: 1}", ".generate.guide.together", ["at least 2", "found 1"]),
    ("guide: {kind: repulsion, strength: -1}", ".generate.guide.strength", ["at least 0"]),
    ("guide: {kind: volume, epsilon: 0}", ".generate.guide.epsilon", ["more than 0"]),
    ("guide: {kind: volume, strength: 1}", ".generate.guide", ["strength"]),
    ("guide: repulsoin", ".generate.guide", ["repulsion"]),
    ("guide: []", ".generate.guide", ["at least one entry"]),
    ("guide: [{discovery: density}, {kind: repulsion, strength: x}]", ".generate.guide[1].strength", ["a number"]),
    ("guide: [{discovery: densitty}, repulsion]", ".generate.guide[0].discovery", ["densitty", "'density'"]),
    (
        "guide: [{discovery: density}, {discovery: modes, form: clean}]",
        "",
        ["names the discoveries density and modes", "name one discovery"],
    ),
    (
        "guide: [{kind: repulsion, together: 4}, {kind: volume}]",
        "",
        ["sets of different sizes (together)", "give them the same"],
    ),
    ("guidance: 0, guide: [repulsion, {discovery: density}]", "", ["guidance 0 does not use"]),
    ("guide: [repulsion, {discovery: density-xl}]", ".generate.guide[1].discovery", ["'sdxl-vae'", "'vae'"]),
]


@pytest.mark.parametrize(("guide", "place", "words"), REFUSED, ids=[guide for guide, *_ in REFUSED])
def test_what_cannot_be_is_refused_with_its_place_and_what_would_be_right(guide, place, words):
    [(where, text)] = mistakes(f"generate: {{model: dit, {guide}}}")
    assert where == f"methods.x{place}"
    assert [word for word in words if word not in text] == [], text


def test_the_report_and_the_card_say_each_guide_of_a_list_and_a_word_as_a_table():
    both = "generate: {model: dit, guide: [{discovery: density}, {kind: repulsion, together: 4}]}"
    settings = load(both).model_dump(mode="json", exclude_none=True)
    line = method_line(settings, 50)
    assert "drawn towards real representatives (density) with strength 0.05, " in line
    assert "images of a class pushed apart with strength 0.3 (sets of 4 images)" in line
    sentences = [guide.in_full({}) for guide in guides_of(settings["generate"])]
    assert ["density" in sentences[0], "sets of 4 images" in sentences[1]] == [True, True]
    word = load("generate: {model: dit, guide: volume}").model_dump(mode="json", exclude_none=True)
    assert word["generate"]["guide"] == "volume"
    assert "larger volume with strength 100" in method_line(word, 50)
    assert "(all images of a class together)" in method_line(word, 50)
    bare = load("generate: {model: dit}").model_dump(mode="json", exclude_none=True)
    assert guides_of(bare["generate"]) == []
