"""The models that come with Retort are whole, small and as good as their cards say, by what was measured of them."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from retort.base.files import read_json
from retort.models.publishing import MOST_BYTES, faults_of

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "workflow" / "models" / "fashion-mnist"
TRAINED = yaml.safe_load((ROOT / "configs" / "fashion-models.yaml").read_text())
LEAST = {"vae": ("PSNR", 28.0), "dit": ("guidance 1", 0.83), "resnet": ("top-1", 0.9)}


def test_a_folder_is_there_for_each_model_that_the_config_trains():
    assert {path.name for path in SHIPPED.iterdir()} == {*TRAINED["models"], *TRAINED["teachers"]} == set(LEAST)


@pytest.mark.parametrize("name", LEAST)
def test_every_file_is_the_one_that_was_published(name):
    assert faults_of(SHIPPED / name) == []
    listed = read_json(SHIPPED / name / "files.json")
    assert max(facts["bytes"] for facts in listed.values()) <= MOST_BYTES
    (weights,) = [file for file in listed if file.endswith(".safetensors")]
    assert {t.dtype for t in load_file(SHIPPED / name / weights).values() if t.is_floating_point()} == {torch.float16}


@pytest.mark.parametrize("name", LEAST)
def test_the_card_names_the_training_of_the_config_and_a_quality_that_suffices(name):
    card = (SHIPPED / name / "README.md").read_text()
    assert (
        yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
        == (TRAINED["models"] | TRAINED["teachers"])[name]["train"]
    )
    assert "(c) 2017 Zalando SE" in card
    words, least = LEAST[name]
    (value,) = re.findall(rf"^\| [^|]*{words}[^|]* \| ([\d.]+) \|$", card, re.M)
    assert float(value) >= least
