"""The JSON schema that editors use is the typed config's, and tells right from wrong as it does."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from retort.base.errors import RetortError
from retort.config.export_schema import main
from retort.config.inherit import inherited
from retort.config.load import load_config

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
SHIPPED = [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())


def test_committed_schema_is_in_step_with_the_typed_config():
    assert main(["--check", str(SCHEMA)]) == 0


def test_check_fails_for_a_missing_and_for_an_outdated_file_and_changes_neither(tmp_path, capsys):
    path = tmp_path / "new" / "schema.json"
    assert main(["--check", str(path)]) == 1
    assert not path.exists()
    assert main([str(path)]) == 0
    assert path.read_text() == SCHEMA.read_text()
    path.write_text(outdated := path.read_text().replace("guidance", "scale"))
    assert main(["--check", str(path)]) == 1
    assert path.read_text() == outdated
    assert capsys.readouterr().err.count("make schema") == 2


def test_schema_names_its_dialect_and_describes_keys_in_words():
    schema = json.loads(SCHEMA.read_text())
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["title"] == "Retort's config"
    assert "global seed" in schema["properties"]["seed"]["description"]
    assert "D3HR uses 4" in schema["$defs"]["Inversion"]["properties"]["guidance"]["description"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configs_validate(path, validator):
    validator.validate(inherited(yaml.safe_load(path.read_text())))


GIVEN_AS_WORDS = [
    ("sampler", lambda methods: methods["dit"]["generate"] | {"sampler": "my-sampler"}),
    ("guide", lambda methods: methods["dit"]["generate"] | {"guide": "hold-norm"}),
]


@pytest.mark.parametrize(("key", "generate"), GIVEN_AS_WORDS, ids=[key for key, _ in GIVEN_AS_WORDS])
def test_a_word_may_be_a_part_from_outside_where_the_config_says_where_parts_lie(key, generate, config, validator):
    config["methods"]["dit"]["generate"] = generate(config["methods"])
    assert not validator.is_valid(config)
    validator.validate(config | {"parts": ["my_parts"]})
    config["methods"]["dit"]["generate"][key] = 3
    assert not validator.is_valid(config | {"parts": ["my_parts"]})


def test_words_and_keys_of_our_parts_are_held_to_beside_parts_from_outside(config, validator):
    config |= {"parts": ["my_parts"]}
    config["methods"]["random"]["select"] = "margin"
    config["methods"]["rded"]["compose"]["score"] = "entropy"
    validator.validate(config)
    config["methods"]["kmeans"]["select"]["keep"] = "confident"
    assert not validator.is_valid(config)


def set_top(config):
    config["sed"] = 1


def set_deep(config):
    config["methods"]["d3hr"]["generate"]["start"]["serch"] = "groups"


def set_kind(config):
    config["models"]["vae"]["kind"] = "vea"


def set_range(config):
    config["runs"][0]["seeds"] = 0


def set_name(config):
    config["methods"]["a/b"] = {"select": "all"}


def set_word(config):
    config["methods"]["random"]["select"] = "rnd"


def set_key_of_select(config):
    config["methods"]["kmeans"]["select"]["keep"] = "confident"


def set_kind_of_score(config):
    config["methods"]["rded"]["compose"]["score"] |= {"typicality": "default"}


def set_choice(config):
    config["methods"]["cao2"]["generate"]["sampler"] = "euler"


def set_shared(config):
    config["discoveries"]["density"]["umap"]["neighbours"] = 15


def set_text_model(config):
    config["models"]["sd"] = {"kind": "sd", "encoder": "vae", "source": "some/sd", "train": {}}


def set_nothing_shared(config):
    config["typicalities"]["default"]["model"] = None


@pytest.mark.parametrize(
    "spoil",
    [
        *(set_top, set_deep, set_kind, set_range, set_name, set_word, set_key_of_select, set_kind_of_score, set_choice),
        *(set_shared, set_text_model, set_nothing_shared),
    ],
)
def test_schema_refuses_what_the_config_refuses(spoil, config, validator):
    validator.validate(config)
    spoil(config)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(config)
    with pytest.raises(RetortError):
        load_config(config)


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_schema_knows_models_of_text(kind, config, validator):
    config["models"]["text"] = {"kind": kind, "encoder": "vae", "source": "some/model", "prompt": "a {name}"}
    validator.validate(config)
    load_config(config)


def test_default_config_points_editors_at_the_schema():
    [line] = [line for line in SHIPPED[0].read_text().splitlines() if "yaml-language-server" in line]
    assert (ROOT / line.split("$schema=")[1]).resolve() == SCHEMA
