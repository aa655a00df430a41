"""Where a set came from, as its provenance and its card say it."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from tests.helpers import written_sets
from tests.helpers.written_sets import (
    ABOUT,
    CLASSES,
    CONFIG,
    about,
    make_home,
    write_generated,
    write_made,
)
from tests.unit.config.test_config import SHIPPED

from retort.base.files import read_json, write_json
from retort.config.load import load_config
from retort.data.licences import data_licence, hub_keys
from retort.plan.plan import Plan
from retort.report.public import public
from retort.report.set_card import sources_and_steps, steps_in_words


@pytest.fixture
def home(tmp_path) -> Path:
    return make_home(tmp_path)


def test_provenance_has_settings_seed_versions_and_sources(home):
    fetched, trained = home / "vae", home / "dit"
    fetched.mkdir()
    trained.mkdir()
    origin = {"name": "vae", "source": "somebody/vae", "revision": "abc123"}
    write_json(fetched / "origin.json", origin)
    provenance = read_json(write_generated(home, [str(fetched), str(trained)]) / "provenance.json")
    assert provenance.items() >= ABOUT.items()
    assert provenance["images"] == 6
    assert provenance["sources"] == {f"{home.name}/vae": origin}
    for package in ("torch", "diffusers", "numpy"):
        assert provenance["versions"][package] == version(package)


def test_the_card_names_method_data_set_and_classes(home):
    card = (write_generated(home) / "card.md").read_text()
    assert card.startswith("# d3hr, 2 images per class, from toy\n")
    assert "6 images of 3 classes (cassette player, tench, English springer)" in card
    assert "manifest.csv" in card
    assert "Global seed: 7" in card


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("random", ["Random images of the real training images"]),
        ("chosen", ["images of the real training images that cover their class in the latents of vae (herding)"]),
        ("shown", ["the discovery density calls representative"]),
        ("d3hr", ["from the model dit: sampler DDIM,", "guidance 4,", "best of 123 random groups", "step 20 of 50"]),
        (
            "exact",
            ["start of each class: one group that is made to match the statistics of its training images at step 20"],
        ),
        ("coda", ["from noise", "the discovery density found (strength 0.07, first 90% of the steps)"]),
        ("rded", ["best of 5 random crops of each of 30 real images", "teacher resnet", "2 x 2 patches to an image"]),
        ("ddps", ["with most typicality (default)", "3 x 3 patches", "each of 9 clusters (latents of vae) in turn"]),
        ("full", ["Every training image"]),
        (
            "cao2",
            [
                "Sampled 3 times as many images as were wanted from the model dit: sampler ancestral DDPM, 40 steps",
                "guidance 2.5, from noise",
                "images of the pool that the teacher resnet recognises, uncertain ones first",
                "77 iterations (Adam, rate 0.0006)",
            ],
        ),
    ],
)
def test_the_card_says_in_words_how_the_images_were_made(method, said):
    words = "\n".join(steps_in_words(about(method)))
    assert [part for part in said if part not in words] == []
    assert ("from the model" in words) == (method in ("d3hr", "exact", "coda", "cao2"))


@pytest.mark.parametrize("config", SHIPPED, ids=lambda path: path.name)
def test_every_method_of_a_shipped_config_has_its_words(config):
    plan = Plan(load_config(yaml.safe_load(config.read_text())), CLASSES)
    words = {method: steps_in_words(plan.provenance_of(method)) for method in plan.config.methods}
    assert [method for method, steps in words.items() if not steps] == []


def test_the_card_says_where_models_come_from_and_under_which_licence(home):
    places = {name: home / kind / name for kind, name in (("models", "vae"), ("models", "dit"), ("teachers", "resnet"))}
    for place in places.values():
        place.mkdir(parents=True)
    origin = {"name": "vae", "source": "somebody/vae", "revision": "abc123", "licence": "cc-by-nc-4.0"}
    write_json(places["vae"] / "origin.json", origin)
    write_json(places["resnet"] / "origin.json", {"name": "resnet", "source": "timm/resnet18.a1_in1k", "revision": "d"})
    write_json(places["dit"] / "origin.json", {"name": "dit", "trained_from": {"source": "big/dit", "licence": "mit"}})
    directory = write_made(home, ["0000", "0001"], models=[str(p) for p in places.values()], method="cao2")
    card = (directory / "card.md").read_text()
    assert "Data: toy (kind folder, at photos); licence unknown, check" in card
    assert "Model vae (vae): from somebody/vae at revision abc123; licence cc-by-nc-4.0." in card
    assert "Model dit (dit): trained here on the data above, with weights from big/dit; licence mit." in card
    assert "Teacher resnet (resnet18.a1_in1k): from timm/resnet18.a1_in1k at revision d; licence unknown, check" in card


def test_neither_card_nor_provenance_says_where_things_lie_on_this_machine(home, monkeypatch):
    """The licence is still that of the folder, which is read before its path is left out."""
    (home / "photos").mkdir()
    (home / "photos" / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    places = {"dataset": {**CONFIG["dataset"], "path": str(home / "photos")}}
    places |= {"models": CONFIG["models"] | {"vae": {"kind": "vae", "source": "~/weights/vae"}}}
    places |= {"teachers": {"resnet": {"arch": "resnet18", "source": str(home / "nets" / "teacher.pt")}}}
    monkeypatch.setattr(written_sets, "CONFIG", CONFIG | places)
    (home / "models" / "dit").mkdir(parents=True)
    came = {"name": "dit", "trained_from": {"source": str(home / "dits" / "xl"), "licence": "mit"}}
    write_json(home / "models" / "dit" / "origin.json", came)
    directory = write_made(home, ["0000", "0001"], models=[str(home / "models" / "dit")], method="cao2")
    card, provenance = ((directory / name).read_text() for name in ("card.md", "provenance.json"))
    for text in (card, provenance):
        assert str(home) not in text
        assert "~/" not in text
        assert not re.search(r"[\s\"'`(](/[\w.-]+){2,}", text)
    assert "at photos); licence cc0-1.0." in card
    assert "weights from xl; licence mit" in card
    assert "from teacher.pt" in card
    assert read_json(directory / "provenance.json")["data"]["path"] == "photos"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        *((text, text) for text in ("photos", "../photos/a", "some/hub", "https://a.org/b/c", "", 3, None, True)),
        *((text, "b") for text in ("/a/b", "/a/b/", "~/a/b", "$DATA/a/b", "C:\\a\\b", "file:///a/b")),
        ({"/a/b/c": ["/x/y", {"k": "/z"}]}, {"b/c": ["y", {"k": "z"}]}),
    ],
)
def test_what_may_be_passed_on_has_no_absolute_path(said, kept):
    assert public(said) == kept


@pytest.mark.parametrize(
    ("data", "licence", "keys"),
    [
        ({"kind": "digits"}, "cc-by-4.0", {"license": "cc-by-4.0"}),
        ({"kind": "imagenet", "path": "x"}, "imagenet-terms-of-access", {"license": "other"}),
        ({"kind": "folder", "path": "no/where"}, None, {}),
    ],
)
def test_the_licence_of_data_of_a_known_kind_is_recorded(data, licence, keys):
    assert data_licence(data) == licence
    assert hub_keys(data["kind"], licence).items() >= keys.items()


def test_a_licence_that_is_no_id_of_the_hub_is_named_beside_other():
    assert hub_keys("folder", "mit") == {"license": "mit"}
    assert hub_keys("folder", "My own terms, 2024") == {"license": "other", "license_name": "my-own-terms-2024"}


def test_the_card_gives_the_licence_that_the_data_state(home, monkeypatch):
    monkeypatch.chdir(home)
    (home / "photos").mkdir()
    (home / "photos" / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    assert "Data: toy (kind folder, at photos); licence cc0-1.0." in (write_generated(home) / "card.md").read_text()


def test_a_model_without_an_origin_was_trained_here(home):
    card = (write_generated(home) / "card.md").read_text()
    assert "Model dit (dit): trained here on the data above, from random weights." in card
    assert "Model vae (vae): from somebody/vae; licence unknown, check" in card


def test_the_card_says_that_an_optimal_denoiser_samples_training_images_and_which_set_of_several_it_is():
    models = CONFIG["models"] | {"ideal": {"kind": "optimal", "encoder": "vae"}}
    methods = {"ideal": {"generate": {"model": "ideal"}}, "second": {"generate": {"model": "ideal"}, "seed": 3}}
    runs = [CONFIG["runs"][0] | {"methods": list(methods)}]
    plan = Plan(load_config(CONFIG | {"models": models, "methods": methods, "runs": runs}), CLASSES)
    cards = {}
    for method in methods:
        record = plan.provenance_of(method) | {"sources": {}, "data_licence": None}
        cards[method] = "\n".join(sources_and_steps(record))
        assert "Model ideal (optimal): the closed form for the training latents of the data above, so" in cards[method]
        assert "from timm" not in cards[method]
    assert "Global seed: 7. All" in cards["ideal"]
    assert "Global seed: 7, seed of the method: 3. All" in cards["second"]
