"""Classes that something from elsewhere would confuse: another order of numbers, the same words in a prompt."""

from copy import deepcopy

import pytest
import yaml
from tests.helpers.tiny_models import save_untrained_teacher
from tests.helpers.workspace import REPOSITORY

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.data.classes import class_list, given_names
from retort.data.imagenet import imagenet_names
from retort.data.prompts import prompted_alike
from retort.plan.class_identity import refuse_same_prompts, refuse_uncertain_order, refuse_unknown_names

TWELVE = sorted(map(str, range(12)))
BASE = {
    "dataset": {"kind": "folder", "name": "mine", "path": "images", "resolution": 32},
    "teachers": {"judge": {"arch": "resnet8", "source": "judge.pth"}},
    "methods": {"random": {"select": "random"}},
    "protocols": {
        "hard": {
            "labels": "hard",
            "views": {"steps": 5},
            "optimizer": {"kind": "sgd", "lr": 0.05, "schedule": "constant"},
        }
    },
    "runs": [{"methods": ["random"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}],
}


def checked(classes=TWELVE, **parts) -> None:
    raw = deepcopy(BASE)
    for part, changes in parts.items():
        raw[part] = raw.get(part, {}) | changes
    refuse_uncertain_order(load_config(raw), classes)


def test_a_head_from_elsewhere_asks_for_the_order():
    with pytest.raises(RetortError) as caught:
        checked()
    said = str(caught.value)
    assert said.startswith("dataset.classes: class ids are whole numbers, and folders sort as text (0, 1, 10, 11, 2")
    assert "teachers.judge was trained elsewhere" in said
    assert "['0', '1', '2', ...]" in said


def test_a_class_table_from_elsewhere_asks_too():
    vae = {"kind": "vae", "source": "vae"}
    models = {"vae": vae, "dit": {"kind": "dit", "source": "dit.pt", "encoder": "vae"}}
    with pytest.raises(RetortError, match=r"models\.dit was trained elsewhere"):
        checked(teachers={"judge": {"arch": "resnet8", "train": {}}}, models=models)


@pytest.mark.parametrize(
    ("classes", "parts"),
    [
        (sorted(map(str, range(10))), {}),  # as numbers and as text alike
        (["07", "08", "09", "10"], {}),
        (["ant", "10", "9"], {}),
        (TWELVE, {"dataset": {"classes": TWELVE}}),
        (TWELVE, {"teachers": {"judge": {"arch": "resnet8", "train": {}}}}),
        (TWELVE, {"teachers": {"judge": {"arch": "resnet8", "source": "x.pth", "classes": "imagenet1k"}}}),
        (TWELVE, {"dataset": {"kind": "cifar100"}}),
    ],
)
def test_where_the_order_is_certain_nothing_is_asked(classes, parts):
    checked(classes, **parts)


def test_a_teacher_that_says_its_classes_is_believed(tmp_path):
    (tmp_path / "judge").mkdir()
    save_untrained_teacher(tmp_path / "judge", TWELVE)
    checked(teachers={"judge": {"arch": "resnet8", "source": str(tmp_path / "judge")}})


# ---------------------------------------------------------------- names in prompts

SD = {"sd": {"kind": "sd", "source": "sd", "encoder": "vae"}, "vae": {"kind": "vae", "source": "vae"}}
ALIKE = {"ant": "crane", "bee": "crane, machine"}


def prompted(names: dict[str, str], models=SD, **dataset) -> None:
    raw = deepcopy(BASE)
    raw["dataset"] |= {"class_names": names} | dataset
    raw["models"] = models
    refuse_same_prompts(load_config(raw), ["ant", "bee", "cat"])


def test_names_that_make_two_classes_one_are_refused_before_anything_runs():
    with pytest.raises(RetortError, match=r"dataset\.class_names: classes ant and bee have the same name in a prompt"):
        prompted(ALIKE)
    with pytest.raises(RetortError, match="classes ant and cat"):
        prompted({"ant": "CAT"})


def test_without_prompts_or_with_names_that_differ_nothing_is_said():
    prompted(ALIKE, models={"vae": SD["vae"]})
    prompted({"ant": "crane bird", "bee": "crane, machine"})


def test_the_shipped_config_tells_the_pairs_of_imagenet_apart():
    raw = yaml.safe_load((REPOSITORY / "configs" / "imagenet1k.yaml").read_text())
    names = imagenet_names() | raw["dataset"]["class_names"]
    assert prompted_alike(names) == []
    assert raw["dataset"]["class_names"].keys() <= imagenet_names().keys()


# ---------------------------------------------------------------- names of classes that are none


def refuse_names(names: dict[str, str], folder=None, **dataset) -> dict[str, str]:
    """What is left of the names once each is known to be of a class."""
    raw = deepcopy(BASE)
    raw["dataset"] |= {"path": str(folder), "class_names": names} | dataset
    config = load_config(raw)
    classes = class_list(config.dataset)
    refuse_unknown_names(config, classes)
    return given_names(config.dataset, classes)


@pytest.fixture
def three(tmp_path):
    for name in ("ant", "bee", "cafe\u0301"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize(("name", "meant"), [("beee", "bee"), ("ANT", "ant"), ("bees", "bee")])
def test_a_name_for_no_class_is_refused_with_the_class_that_was_meant(three, name, meant):
    with pytest.raises(RetortError, match=rf"class_names: no class is called '{name}', did you mean '{meant}'\?"):
        refuse_names({name: "an insect"}, three)


def test_classes_that_are_left_out_may_be_named_and_letters_may_be_spelt_otherwise(three):
    assert refuse_names({"bee": "a bee"}, three, classes=["ant", "cafe\u0301"]) == {"bee": "a bee"}
    assert refuse_names({"caf\u00e9": "a bar"}, three) == {"cafe\u0301": "a bar"}
    with pytest.raises(RetortError, match="no class is called 'wasp'; keys are class ids, such as ant"):
        refuse_names({"wasp": "a wasp"}, three)


def test_a_part_of_imagenet_may_name_any_of_its_1000_classes_and_no_other():
    keys = {"kind": "imagenet", "subset": "imagenette"}
    assert refuse_names({"n02012849": "crane (bird)"}, "nowhere", **keys) == {"n02012849": "crane (bird)"}
    with pytest.raises(RetortError, match=r"no class is called 'n02012840', did you mean 'n0201284\d'\?"):
        refuse_names({"n02012840": "crane"}, "nowhere", **keys)


def test_names_of_data_that_are_not_there_yet_are_left_to_the_run_that_has_them():
    assert refuse_names({"wasp": "a wasp"}, "nowhere", classes=["ant", "bee"]) == {"wasp": "a wasp"}


@pytest.mark.parametrize(
    ("kind", "wrong", "meant"), [("cifar10", "aeroplane", "airplane"), ("tiny-imagenet", "n0144353", "n01443537")]
)
def test_data_sets_whose_classes_are_known_refuse_other_names_before_they_are_there(kind, wrong, meant):
    with pytest.raises(RetortError, match=f"no class is called '{wrong}', did you mean '{meant}'"):
        refuse_names({wrong: "something"}, "nowhere", kind=kind)
