"""A sweep makes methods that differ in one key, and says its mistakes in its own words."""

import pytest
from tests.helpers.workspace import smoke_config

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.config.sweeps import Member, members
from retort.data.classes import class_list
from retort.plan.plan import Plan
from retort.plan.sweeps import wanted_sweeps


def with_sweeps(runs: list[str] = ("s",), more: dict | None = None, **sweeps: dict) -> dict:
    """The smoke config with these sweeps; `s` is of dit's guidance where nothing else is said of it."""
    usual = {"method": "dit", "key": "generate.guidance", "values": [1, 2.5, 4.0]}
    config = smoke_config() | (more or {})
    config["sweeps"] = {name.replace("_", "-"): usual | changes for name, changes in sweeps.items()}
    run = {"methods": list(runs), "ipc": [1], "protocols": ["hard"], "students": ["resnet8"], "seeds": 1}
    config["runs"] = [*config["runs"], run]
    return config


def refused(config: dict) -> list[str]:
    with pytest.raises(RetortError) as error:
        load_config(config)
    head, *mistakes = str(error.value).split("\n  - ")
    assert head.startswith("the config has ")
    return mistakes


def test_members_are_methods_that_differ_in_the_key_alone_and_stand_behind_theirs():
    config = load_config(with_sweeps(s={}))
    names = list(config.methods)
    made = ["s-1", "s-2_5", "s-4"]
    assert names[names.index("dit") + 1 :][:3] == made
    assert [config.methods[name].generate.guidance for name in made] == [1, 2.5, 4]
    base = config.methods["dit"].model_dump()
    for name in made:
        own = config.methods[name].model_dump()
        own["generate"]["guidance"] = base["generate"]["guidance"]
        assert own == base


def test_runs_that_name_a_sweep_run_its_members_each_once():
    config = load_config(with_sweeps(["random", "s", "s-4"], s={}))
    assert config.runs[-1].methods == ["random", "s-1", "s-2_5", "s-4"]


def test_a_config_without_sweeps_is_what_it_was():
    plain = load_config(smoke_config())
    assert plain.sweeps == {}
    assert load_config(smoke_config() | {"sweeps": None}) == plain


def test_values_may_be_words_tables_with_names_switches_and_nothing():
    start = {"key": "generate.start", "values": {"noise": "noise", "ddim": {"inversion": "ddim"}}}
    sampler = {"key": "generate.sampler", "values": ["ddim", "ddpm"]}
    refining = {"method": "cao2", "key": "refine", "values": {"with": {"iterations": 3}, "without": None}}
    found = load_config(with_sweeps(["start", "sampler", "refining"], start=start, sampler=sampler, refining=refining))
    by_hand = smoke_config()
    dit, cao2 = by_hand["methods"]["dit"]["generate"], by_hand["methods"]["cao2"]
    by_hand["methods"] |= {
        "start-noise": {"generate": dit | {"start": "noise"}},
        "start-ddim": {"generate": dit | {"start": {"inversion": "ddim"}}},
        "sampler-ddim": {"generate": dit | {"sampler": "ddim"}},
        "sampler-ddpm": {"generate": dit | {"sampler": "ddpm"}},
        "refining-with": cao2 | {"refine": {"iterations": 3}},
        "refining-without": {key: value for key, value in cao2.items() if key != "refine"},
    }
    assert found.methods == load_config(by_hand).methods


def test_values_are_shown_as_yaml_has_them():
    values = [1, 2.0, 0.25, True, None, "ddpm"]
    assert members("s", values) == [
        Member("s-1", 1, "1"),
        Member("s-2", 2.0, "2"),
        Member("s-0_25", 0.25, "0.25"),
        Member("s-true", True, "true"),
        Member("s-null", None, "null"),
        Member("s-ddpm", "ddpm", "ddpm"),
    ]


MISTAKES = {
    "no such method": ({"method": "dti"}, "sweeps.s.method: there is no method 'dti', did you mean 'dit'?"),
    "a key that nothing has": (
        {"key": "generate.guidence"},
        "sweeps.s: with each of its values, generate: unknown key 'guidence', did you mean 'guidance'?",
    ),
    "a table that the method lacks": (
        {"method": "random"},
        "sweeps.s.key: methods.random has no table 'generate' (it has select)",
    ),
    "a word in the place of a table": (
        {"key": "generate.start.groups"},
        "sweeps.s.key: methods.dit.generate.start is 'noise' and no table, so it has no key 'groups'",
    ),
    "a value that the schema refuses": (
        {"values": [1, -3]},
        "sweeps.s.values: with -3, generate.guidance: must be at least 0; found -3",
    ),
    "two values of one kind that it refuses": (
        {"values": [1, "a", "b"]},
        "sweeps.s.values: with a, generate.guidance: must be a number; found 'a'",
    ),
    "no list": ({"values": 3}, "sweeps.s.values: must be a list of values, or a table of names and values; found 3"),
    "no value": ({"values": []}, "sweeps.s.values: must have at least one entry; found []"),
    "a value twice": (
        {"values": [1, 1.0]},
        "sweeps.s.values: two values make a method 's-1'; leave one out, or give the values names",
    ),
    "a value that no name can have": (
        {"values": ["a b"]},
        "sweeps.s.values: 'a b' cannot be a part of a name; give the values names",
    ),
    "a table without a name": (
        {"values": [{"a": 1}]},
        "sweeps.s.values: {'a': 1} cannot be a part of a name; give the values names",
    ),
    "a misspelt key of its own": ({"valuse": [1]}, "sweeps.s: unknown key 'valuse', did you mean 'values'?"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_said_of_the_sweep_and_once(case):
    changes, said = MISTAKES[case]
    mistakes = refused(with_sweeps(["random"], s=changes))
    assert mistakes[0].startswith(said), mistakes
    assert len(mistakes) == (2 if case.startswith("two values of") else 1)


def test_names_that_are_taken_are_refused():
    assert refused(with_sweeps(["random"], dit={}))[0].startswith("sweeps.dit: a method has this name as well")
    assert "this name is taken by a target" in refused(with_sweeps(["random"], tables={}))[0]
    (said,) = refused(with_sweeps(["random"], d3hr={"method": "dit", "values": {"exact": 1}}))[1:]
    assert said == "sweeps.d3hr: its member 'd3hr-exact' is called like one of methods; call the sweep otherwise"
    twice = with_sweeps(["random"], a={"values": {"b-c": 1}}, a_b={"values": {"c": 1}})
    assert refused(twice) == ["sweeps.a-b: its member 'a-b-c' is called like one of sweeps.a; call the sweep otherwise"]


def test_a_mistake_of_the_method_itself_is_said_of_that_alone():
    config = with_sweeps(s={})
    config["methods"]["dit"]["generate"]["steps"] = 0
    assert refused(config) == ["methods.dit.generate.steps: must be at least 2; found 0"]


def test_a_faulty_sweep_leaves_no_other_mistake_behind():
    assert len(refused(with_sweeps(["s"], s={"key": "generate.start.groups"}))) == 1


def test_the_members_that_runs_ask_for_are_drawn_in_the_order_of_the_values():
    words = {"key": "generate.sampler", "values": ["ddim", "ddpm"]}
    config = load_config(with_sweeps(["s-4", "s-1", "words"], s={}, words=words, unused={"values": [3]}))
    plan = Plan(config, class_list(config.dataset))
    assert wanted_sweeps(plan) == {
        "s": {
            "method": "dit",
            "key": "generate.guidance",
            "members": [
                {"method": "s-1", "shown": "1", "number": 1.0},
                {"method": "s-4", "shown": "4", "number": 4.0},
            ],
        },
        "words": {
            "method": "dit",
            "key": "generate.sampler",
            "members": [
                {"method": "words-ddim", "shown": "ddim", "number": None},
                {"method": "words-ddpm", "shown": "ddpm", "number": None},
            ],
        },
    }
