"""Models against the data set and each other, before anything is computed: from files of a few kilobytes."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.fetched_models import SDXL

from retort.base.errors import RetortError
from retort.base.files import sha256_of, write_json
from retort.base.tensors import write_tensors
from retort.config.load import load_config
from retort.data.imagenet import subset_classes
from retort.plan.plan import Plan
from retort.stages.models.check_models import Encoder, Use, check_models
from retort.stages.models.fetch_model import fetch_model


def save_dit(folder: Path, classes: int, channels: int = 4, side: int = 8) -> Path:
    """A DiT as far as it is looked at: its config, and the weights that tell its size."""
    transformer = folder / "transformer"
    transformer.mkdir(parents=True)
    config = {"num_layers": 1, "in_channels": channels, "sample_size": side, "num_embeds_ada_norm": classes}
    write_json(transformer / "config.json", config | {"norm_type": "ada_norm_zero"})
    (folder / "scheduler").mkdir()
    write_json(folder / "scheduler" / "scheduler_config.json", {})
    table = "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight"
    weights = {table: np.zeros((classes + 1, 2)), "pos_embed.proj.weight": np.zeros((2, channels, 2, 2))}
    write_tensors(transformer / "diffusion_pytorch_model.safetensors", weights)
    return folder


def save_vae(folder: Path, blocks: int = 4, channels: int = 4) -> Path:
    folder.mkdir(parents=True)
    write_json(folder / "config.json", {"latent_channels": channels, "block_out_channels": [8] * blocks})
    weights = {"decoder.conv_in.weight": np.zeros((2, channels, 3, 3))}
    write_tensors(folder / "diffusion_pytorch_model.safetensors", weights)
    return folder


class Models:
    """Models fetched from directories, and what was found right of them."""

    def __init__(self, folder: Path):
        self.folder, self.kinds = folder, {}

    def add(self, name: str, kind: str, source: Path) -> None:
        fetch_model(str(self.folder / name), name=name, kind=kind, source=str(source), revision=None)
        self.kinds[name] = kind

    def check(self, uses: list[Use], encoders: dict[str, Encoder], class_ids: list[str]) -> list[dict]:
        directories = {name: str(self.folder / name) for name in self.kinds}
        output = self.folder / "models.csv"
        check_models(
            list(directories.values()), str(output), kinds=self.kinds, encoders=encoders, uses=uses, class_ids=class_ids
        )
        with open(output, newline="") as handle:
            return list(csv.DictReader(handle))


@pytest.fixture
def models(tmp_path) -> Models:
    """dit: ten classes, latents 4 x 8 x 8; vae: an eighth of the side, four channels."""
    found = Models(tmp_path / "models")
    found.add("vae", "vae", save_vae(tmp_path / "vae"))
    found.add("dit", "dit", save_dit(tmp_path / "dit", 10))
    return found


TEN = [f"class{i}" for i in range(10)]
AT_64 = {"vae": Encoder(64)}


def test_models_that_fit_are_listed_with_what_they_are(models, tmp_path):
    vae, dit = models.check([Use("dit", "vae", "dataset")], AT_64, TEN)
    assert (vae["name"], vae["kind"], vae["classes"], vae["latents"]) == ("vae", "vae", "", "4")
    assert (dit["name"], dit["kind"], dit["classes"], dit["latents"]) == ("dit", "dit", "10", "4x8x8")
    assert dit["source"] == str(tmp_path / "dit")
    assert dit["checked"] == "files whole; fits the latents 4x8x8 of vae; knows all 10 classes of the data set"
    files = sorted(f for f in (tmp_path / "dit").rglob("*") if f.is_file())
    assert int(dit["bytes"]) == sum(f.stat().st_size for f in files)
    listing = "".join(f"{sha256_of(f)}  {f.relative_to(tmp_path / 'dit').as_posix()}\n" for f in files)
    assert dit["sha256"] == hashlib.sha256(listing.encode()).hexdigest()


def test_a_hash_of_a_file_is_that_of_its_content(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_another_number_of_classes_than_the_data_set_has_is_refused(models):
    with pytest.raises(RetortError, match=r"models\.dit: knows 10 classes, but the data set has 3"):
        models.check([Use("dit", "vae", "dataset")], AT_64, TEN[:3])
    assert not (models.folder / "models.csv").exists()


def test_a_class_list_of_another_length_than_the_model_has_is_refused(models):
    with pytest.raises(RetortError, match=r"models\.dit: knows 10 classes, but imagenet1k has 1000"):
        models.check([Use("dit", "vae", "imagenet1k")], AT_64, TEN)


def test_a_part_of_the_classes_that_a_model_knows_by_id_fits_in_any_order(models):
    nette = subset_classes("imagenette")
    (_, dit) = models.check([Use("dit", "vae", "imagenette")], AT_64, [nette[7], nette[1]])
    assert "knows all 2 classes of the data set" in dit["checked"]


def test_classes_that_a_model_does_not_know_are_named(models):
    nette = list(subset_classes("imagenette"))
    with pytest.raises(RetortError, match=r"knows 10 classes of imagenette, but not ant, bee of the data set"):
        models.check([Use("dit", "vae", "imagenette")], AT_64, [*nette[:8], "ant", "bee"])


def test_what_a_training_starts_from_may_know_any_classes_but_must_fit_the_latents(models):
    (_, dit) = models.check([Use("dit", "vae", "dataset", starts=True)], AT_64, TEN[:3])
    assert dit["checked"] == "files whole; fits the latents 4x8x8 of vae"
    models.check([Use("dit", "vae", "imagenette", starts=True)], AT_64, TEN[:3])
    with pytest.raises(RetortError, match=r"works on latents \(4, 8, 8\), but its encoder vae makes \(4, 4, 4\)"):
        models.check([Use("dit", "vae", "dataset", starts=True)], {"vae": Encoder(32)}, TEN[:3])


def test_latents_of_another_size_are_refused_with_the_resolution(models):
    with pytest.raises(RetortError, match=r"models\.dit: works on latents \(4, 8, 8\), but .* \(4, 32, 32\) at 256"):
        models.check([Use("dit", "vae", "dataset")], {"vae": Encoder(256)}, TEN)


def test_latents_of_other_channels_are_refused(models, tmp_path):
    models.add("wide", "vae", save_vae(tmp_path / "wide", channels=16))
    with pytest.raises(RetortError, match=r"works on latents \(4, 8, 8\), but its encoder wide makes \(16, 8, 8\)"):
        models.check([Use("dit", "wide", "dataset")], {"wide": Encoder(64)}, TEN)


def test_images_that_cannot_be_halved_as_often_as_the_encoder_does_are_refused(models):
    with pytest.raises(RetortError, match=r"models\.vae: 60 pixels are no multiple of 8"):
        models.check([Use("dit", "vae", "dataset")], {"vae": Encoder(60)}, TEN)


def test_an_encoder_that_is_trained_here_is_known_from_its_config(models):
    small = Encoder(32, {"latent_channels": 4, "channels": [8, 8, 8]})
    models.check([Use("dit", "small", "dataset")], {"small": small}, TEN)
    smaller = Encoder(32, {"latent_channels": 3, "channels": [8, 8]})
    with pytest.raises(RetortError, match=r"its encoder smaller makes \(3, 16, 16\) at 32 pixels"):
        models.check([Use("dit", "smaller", "dataset")], {"smaller": smaller}, TEN)


def test_everything_that_does_not_fit_is_said_at_once(models):
    with pytest.raises(RetortError) as told:
        models.check([Use("dit", "vae", "dataset")], {"vae": Encoder(32)}, TEN[:3])
    assert str(told.value).count("\n  - models.dit") == 2


def test_a_text_to_image_model_takes_latents_of_any_size_but_not_of_other_channels(models, tmp_path):
    models.add("xl", "sdxl", SDXL)
    models.check([Use("xl", "vae")], {"vae": Encoder(1024)}, ["any"])
    models.add("wide", "vae", save_vae(tmp_path / "wide", channels=16))
    with pytest.raises(
        RetortError, match=r"models\.xl: works on latents \(4, 8, 8\), but its encoder wide makes \(16,"
    ):
        models.check([Use("xl", "wide")], {"wide": Encoder(64)}, ["any"])


def test_a_model_that_was_damaged_since_it_was_fetched_is_refused(models):
    (models.folder / "dit" / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(b"short")
    with pytest.raises(RetortError, match="is not a whole safetensors file"):
        models.check([Use("dit", "vae", "dataset")], AT_64, TEN)


# ---------------------------------------------------------------- what the plan asks to be checked

CONFIG = {
    "dataset": {"kind": "digits", "name": "toy", "resolution": 32},
    "models": {
        "vae": {"kind": "vae", "source": "some/vae", "resolution": 256},
        "own-vae": {"kind": "vae", "train": {"channels": [8, 8]}},
        "unused": {"kind": "dit", "source": "some/other", "encoder": "vae"},
        "dit": {"kind": "dit", "source": "some/dit", "encoder": "vae", "classes": "imagenet1k"},
        "tuned": {"kind": "dit", "encoder": "vae", "train": {"from": "dit"}},
        "xl": {"kind": "sdxl", "source": "some/xl", "encoder": "own-vae", "refiner": {"model": "refiner"}},
        "refiner": {"kind": "sdxl-refiner", "source": "some/refiner"},
    },
    "methods": {name: {"generate": {"model": name}} for name in ("unused", "dit", "tuned", "xl")},
    "protocols": {
        "hard": {
            "labels": "hard",
            "views": {"steps": 1},
            "optimizer": {"kind": "sgd", "lr": 0.1, "schedule": "milestones"},
        }
    },
}


def plan_of(*methods: str) -> Plan:
    run = {"methods": list(methods), "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}
    return Plan(load_config(CONFIG | {"runs": [run]}), ["0", "1"])


def test_only_what_the_wanted_methods_need_is_fetched():
    assert plan_of("tuned").fetched_models() == ["vae", "dit"]
    assert plan_of("xl").fetched_models() == ["xl", "refiner"]
    assert plan_of("dit", "xl").fetched_models() == ["vae", "dit", "xl", "refiner"]


def test_a_checkpoint_that_is_only_trained_further_is_used_for_nothing_else():
    plan = plan_of("tuned")
    assert plan.used_models() == ["tuned"]
    assert plan.uses_of_fetched() == [{"model": "dit", "encoder": "vae", "classes": "imagenet1k", "starts": True}]
    assert plan.encoders_at_work() == {"vae": {"resolution": 256, "training": None}}


def test_a_refiner_works_with_the_encoder_of_its_base():
    plan = plan_of("xl")
    uses = [Use(**about) for about in plan.uses_of_fetched()]
    assert uses == [Use("xl", "own-vae"), Use("refiner", "own-vae")]
    encoder = Encoder(**plan.encoders_at_work()["own-vae"])
    assert (encoder.resolution, encoder.training["channels"]) == (32, [8, 8])


def test_latents_are_made_for_a_model_that_is_trained_further():
    assert plan_of("tuned").used_latents() == ["vae"]
    assert plan_of("dit").used_latents() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"from": "tuned"}, r"models\.tuned\.train\.from: no dit model with a source is called 'tuned'"),
        ({"from": "vae"}, r"models\.tuned\.train\.from: no dit model with a source is called 'vae'"),
        ({"from": "dti"}, r"is called 'dti', did you mean 'dit'\? \(allowed: unused, dit\)"),
        ({"from": "dit", "layers": 4}, r"models\.tuned\.train: unknown key 'layers'"),
        ({"frm": "dit"}, r"models\.tuned\.train: unknown key 'frm', did you mean 'from'\?"),
        ({"from": "dit", "steps": 0}, r"models\.tuned\.train\.steps: must be at least 1; found 0"),
        ({"from": "dit", "batch": True}, r"models\.tuned\.train\.batch: must be a number; found True"),
        ("dit", r"models\.tuned\.train: must be a table: .*or \{from: NAME, \.\.\.\}; found 'dit'"),
    ],
)
def test_mistakes_in_what_a_training_starts_from_are_told_in_words(changes, said):
    tuned = CONFIG["models"]["tuned"] | {"train": changes}
    run = {"methods": ["dit"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}
    with pytest.raises(RetortError, match=said):
        load_config(CONFIG | {"models": CONFIG["models"] | {"tuned": tuned}, "runs": [run]})
