"""How the names of a rule become the arguments of a stage's function."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from retort.running.call import Misfit, Names, arguments, stage, stage_name


@dataclass(frozen=True)
class Settings:
    steps: int
    area: tuple[float, float] = (0.0, 1.0)


class Word:
    def __init__(self, word: str):
        self.word = word

    @classmethod
    def parse(cls, word: str) -> "Word":
        return cls(word.upper())


@dataclass(frozen=True)
class Model:
    """Made from several names."""

    directory: str
    run: Word

    @classmethod
    def from_rule(cls, model: str, run: Word, decoder: str | None = None) -> "Model":
        return cls(model if decoder is None else f"{model} and {decoder}", run)


def names(input=None, output=None, params=None, wildcards=None, resources=None) -> Names:
    return Names(
        SimpleNamespace(
            input=input or {},
            output=output or {},
            params={"code": "any 123"} | (params or {}),
            wildcards=wildcards or {},
            resources={"_cores": 2, "mem_mb": 5} | (resources or {}),
            threads=3,
        )
    )


def bound(function, **given) -> dict:
    return arguments(function, names(**given))


def test_values_become_what_arguments_are_annotated_as():
    def function(
        one: str, many: Sequence[str], path: Path, ipc: int, weight: float, settings: Settings, table: dict, word: Word
    ):
        pass

    found = bound(
        function,
        input={"one": ["a"], "many": "b", "path": "c"},
        params={"settings": {"steps": 3, "area": [0.5, 1.0]}, "table": {"x": 1}, "weight": "0.5"},
        wildcards={"ipc": "10"},
        resources={"word": "cpu"},
    )
    assert found.pop("word").word == "CPU"
    assert found == {
        "one": "a",
        "many": ["b"],
        "path": Path("c"),
        "ipc": 10,
        "weight": 0.5,
        "settings": Settings(3, [0.5, 1.0]),
        "table": {"x": 1},
    }


def test_settings_objects_are_made_in_lists_tables_and_where_they_may_be_absent():
    def function(uses: Sequence[Settings], named: dict[str, Settings], there: Settings | None, gone: Settings | None):
        pass

    params = {"uses": [{"steps": 1}], "named": {"x": {"steps": 2}}, "there": {"steps": 3}, "gone": None}
    expected = {"uses": [Settings(1)], "named": {"x": Settings(2)}, "there": Settings(3), "gone": None}
    assert bound(function, params=params) == expected


def test_objects_made_from_several_names_take_them_all():
    def function(model: Model, batch: int):
        pass

    found = bound(function, input={"model": "m", "decoder": "d"}, resources={"run": "cuda", "batch": 4})
    assert (found["model"].directory, found["model"].run.word, found["batch"]) == ("m and d", "CUDA", 4)
    assert bound(function, input={"model": "m"}, resources={"run": "x", "batch": 4})["model"].directory == "m"


def test_keys_of_the_parameter_arguments_are_names_of_their_own():
    def function(steps: int, share: float):
        pass

    assert bound(function, params={"arguments": {"steps": 5, "share": 0.25}}) == {"steps": 5, "share": 0.25}
    with pytest.raises(Misfit, match="function takes no other"):
        bound(function, params={"arguments": {"steps": 5, "share": 0.25, "other": 1}})


@pytest.mark.parametrize("kind", ["input", "output", "params"])
def test_what_a_rule_names_and_the_function_does_not_take_is_an_error(kind):
    with pytest.raises(Misfit, match="function_of_nothing takes no spare, strange"):
        bound(function_of_nothing, **{kind: {"spare": "a", "strange": "b"}})


def function_of_nothing():
    pass


def test_wildcards_and_resources_are_taken_or_left():
    def function(method: str, threads: int):
        pass

    given = {"wildcards": {"method": "d3hr", "ipc": "1"}, "resources": {"batch": 2}}
    assert bound(function, **given) == {"method": "d3hr", "threads": 3}


def test_an_argument_that_the_rule_does_not_name_is_an_error_unless_it_may_be_absent():
    def function(path: str | None, paths: Sequence[str], number: int = 4):
        pass

    assert bound(function) == {"path": None, "paths": []}

    def needs(path: str):
        pass

    with pytest.raises(Misfit, match="needs path, which the rule does not name"):
        bound(needs)


def test_a_name_that_is_given_twice_is_an_error():
    with pytest.raises(Misfit, match="input, output and params name model twice"):
        names(input={"model": "a"}, output={"model": "b"})


def test_a_parameter_goes_before_a_wildcard_of_its_name():
    def function(seed: int):
        pass

    assert bound(function, params={"seed": 7}, wildcards={"seed": "1"}) == {"seed": 7}


def test_several_paths_where_one_is_taken_are_an_error():
    def function(path: str):
        pass

    with pytest.raises(Misfit, match="one value is taken, and there are 2"):
        bound(function, input={"path": ["a", "b"]})


def test_nothing_is_no_text():
    def function(word: str):
        pass

    with pytest.raises(Misfit, match="None is given where str is taken"):
        bound(function, params={"word": None})


def test_a_key_of_arguments_that_is_a_parameter_too_is_given_twice():
    with pytest.raises(Misfit, match="input, output and params name steps twice"):
        names(params={"steps": 1, "arguments": {"steps": 2}})


def test_the_checkpoint_goes_to_those_who_take_it():
    def takes(checkpoint: Path):
        pass

    assert bound(takes, params={"checkpoint": "c"}) == {"checkpoint": Path("c")}
    assert bound(function_of_nothing, params={"checkpoint": "c"}) == {}


def test_a_stage_is_the_function_of_its_name_in_the_module_of_its_name():
    assert stage_name("generate_images 0123456789ab") == "generate_images"
    assert stage("select_images").__module__ == "retort.stages.sets.select_images"
    with pytest.raises(Misfit, match=r"no room of retort.stages has a module nothing"):
        stage("nothing")
