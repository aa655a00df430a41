"""Images that are sampled as sets: whatever the shard, the batch and the attempt, with what else a method has."""

import numpy as np
import pytest
import torch
from tests.helpers.parts import sampling as sampling_by
from tests.helpers.tiny_models import CLASSES, SHAPE, files, generate, save_models, write_latents

from retort.artifacts.kept_classes import KeptBatches
from retort.artifacts.latents import class_mean
from retort.artifacts.representatives import write_table
from retort.base.errors import RetortError
from retort.base.tensors import open_tensors, write_tensors
from retort.methods.sampling import Sampling
from retort.parts.resolve import part_of
from retort.stages.sets import generate_images as stage

IPC = 5
ROUNDING = {"rtol": 1e-4, "atol": 2e-3}  # of latents in the hundreds, for the model knows nothing of images
REPULSION = {"kind": "repulsion", "strength": 1.0}
VOLUME = {"kind": "volume", "volume_strength": 1.0, "mean_strength": 20.0}
CODA = {"discovery": "any", "strength": 0.002}
GUIDES = {
    "repulsion": [REPULSION],
    "volume": [VOLUME],
    "pairs": [REPULSION | {"together": 2}],
    "all": [VOLUME | {"together": 3}, REPULSION | {"together": 3}, CODA],
}
SAMPLERS = ["ddim", {"kind": "ddim", "eta": 0.7}, "ddpm", "dpm++", {"kind": "dpm++", "spacing": "linspace"}, "pndm"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """dit/, learned/ and vae/ with random weights, classes.csv, latents of training images and representatives."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    rng = np.random.default_rng(3)
    latents = {c: rng.standard_normal((7, *SHAPE)) + i for i, c in enumerate(CLASSES)}
    write_latents(folder / "real.safetensors", latents, {c: range(7) for c in CLASSES})
    rows = [(label, i, i, f"{i}.png", "random", 1) for label in range(4) for i in range(7)]
    write_table(folder / "representatives.csv", rows)
    write_tensors(folder / "starts.safetensors", {
        "latents": rng.standard_normal((4, IPC, *SHAPE)).astype(np.float32),
        "group": np.arange(4), "score": np.ones(4),
    })  # fmt: skip
    return folder


def by(guides, sampler="ddim"):
    usual = sampling_by(sampler, 5, None, 2.0)
    return Sampling(usual.sampler, 5, None, 2.0, [part_of("guides", keys) for keys in guides])


def make(home, classes, batch, guides, sampler="ddim", **changes):
    changes = {"number": IPC, "sampling": by(guides, sampler), "real": home / "real.safetensors"} | changes
    if any("discovery" in keys for keys in guides):
        changes["guide"] = home / "representatives.csv", home / "real.safetensors"
    return generate(home, home / "generated.safetensors", classes, batch, **changes)


@pytest.mark.parametrize("name", GUIDES)
@pytest.mark.parametrize("batch", [1, 4, 16])
def test_a_set_is_the_same_to_the_last_bit_whatever_the_shard(home, name, batch):
    whole = make(home, [0, 1, 2, 3], batch, GUIDES[name])
    for shards in ([[0, 1], [2, 3]], [[0], [1, 2, 3]]):
        parts = [make(home, shard, batch, GUIDES[name]) for shard in shards]
        for key in whole:
            np.testing.assert_array_equal(np.concatenate([part[key] for part in parts]), whole[key])
    assert whole["index"].tolist() == [*range(IPC)] * 4
    assert whole["class_index"].tolist() == [label for label in range(4) for _ in range(IPC)]
    assert len(np.unique(whole["latents"].reshape(4 * IPC, -1), axis=0)) == 4 * IPC


@pytest.mark.parametrize("name", ["repulsion", "all"])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize("model", ["dit", "learned"])
def test_the_batch_changes_no_more_than_rounding_on_every_sampler(home, name, sampler, model):
    usual = make(home, [1, 2], 16, GUIDES[name], sampler, name=model)
    for batch in (1, 2, 7):
        other = make(home, [1, 2], batch, GUIDES[name], sampler, name=model)
        np.testing.assert_allclose(other["latents"], usual["latents"], **ROUNDING)
        assert np.abs(other["pixels"].astype(int) - usual["pixels"]).max() <= 1
    bare = make(home, [1, 2], 16, [], sampler, name=model)
    assert np.abs(bare["latents"] - usual["latents"]).reshape(2 * IPC, -1).max(axis=1).min() > 0.01


def test_images_of_a_set_see_each_other_and_no_others(home):
    """A larger set, the same images at its beginning: in pairs they are the same ones, all together they are not."""

    def first(guides, number):
        found = make(home, [2], 16, guides, number=number)["latents"]
        return found[:4]

    np.testing.assert_allclose(first(GUIDES["pairs"], 4), first(GUIDES["pairs"], 8), **ROUNDING)
    assert np.abs(first([REPULSION], 4) - first([REPULSION], 8)).max() > 0.01
    np.testing.assert_array_equal(first([REPULSION | {"together": 4}], 4), first([REPULSION], 4))
    np.testing.assert_allclose(first([REPULSION | {"together": 4}], 8), first([REPULSION], 4), **ROUNDING)


def test_the_last_set_of_a_class_may_be_smaller_even_one_image(home):
    """Which nothing pushes, so that it is as without the guide."""
    pairs, usual = (make(home, [1], 16, guides, number=3) for guides in (GUIDES["pairs"], []))
    np.testing.assert_allclose(pairs["latents"][2], usual["latents"][2], **ROUNDING)
    assert np.abs(pairs["latents"][:2] - usual["latents"][:2]).reshape(2, -1).max(axis=1).min() > 0.01


def test_one_image_of_a_class_is_pushed_by_nothing_and_drawn_to_the_mean(home):
    bare = make(home, [0, 1], 4, [], number=1)["latents"]
    alone = make(home, [0, 1], 4, [REPULSION], number=1)["latents"]
    np.testing.assert_allclose(alone, bare, **ROUNDING)
    means = np.stack([class_mean(home / "real.safetensors", CLASSES[label], SHAPE) for label in (0, 1)])
    drawn = make(home, [0, 1], 4, [VOLUME], number=1)["latents"]
    assert np.linalg.norm(drawn - means) < np.linalg.norm(bare - means)


@pytest.mark.parametrize("name", GUIDES)
def test_strength_0_changes_no_bit_of_an_image(home, name):
    """In the batches that sets have, and of the guides of images beside them."""
    still = [keys | {key: 0.0 for key in keys if key.endswith("strength")} for keys in GUIDES[name]]
    still = [keys | ({"volume_strength": 0.0, "mean_strength": 0.0} if keys.get("kind") == "volume" else {})
             for keys in still]  # fmt: skip
    found = make(home, [1, 2], IPC, still)
    usual = make(
        home, [1, 2], IPC, [REPULSION | {"least_sigma": 1e9} | {k: v for k, v in still[0].items() if k == "together"}]
    )
    np.testing.assert_array_equal(found["latents"], usual["latents"])
    np.testing.assert_allclose(found["latents"], make(home, [1, 2], IPC, [])["latents"], **ROUNDING)


def test_a_set_starts_from_matched_or_noised_latents_as_any_images_do(home):
    """D3HR's starts, and image-to-image: with each, sets see each other, on the noise that images have without them."""
    noised = {"start": part_of("starts", {"discovery": "any", "strength": 0.6}),
              "seeds": (home / "representatives.csv", home / "real.safetensors")}  # fmt: skip
    for changes in ({"starts": home / "starts.safetensors"}, noised):
        first = changes["start"].begins(5) if "start" in changes else 3
        found = {}
        for name, guides in ({"none": []} | GUIDES).items():
            sampling = Sampling(part_of("samplers", "ddim"), 5, first, 2.0, by(guides).guides)
            whole, part = (make(home, c, 3, guides, **changes, sampling=sampling) for c in ([0, 1, 2, 3], [2]))
            np.testing.assert_array_equal(part["latents"], whole["latents"][2 * IPC : 3 * IPC])
            found[name] = whole["latents"]
        assert all(np.abs(found[name] - found["none"]).max() > 1e-3 for name in GUIDES)


def test_the_mean_that_a_set_is_drawn_to_is_that_of_its_class(home, monkeypatch):
    seen = []

    def watch(model, condition, latents, sampling, labels, targets, noise, seeds, means, sets):
        seen.append((list(labels), means.clone(), sets))
        return latents

    monkeypatch.setattr(stage, "sample", watch)
    make(home, [0, 1], 2 * IPC, [VOLUME])
    [(labels, means, sets)] = seen
    assert labels == [0] * IPC + [1] * IPC
    arrays = open_tensors(home / "real.safetensors")
    for label, mean in zip(labels, means, strict=True):
        wanted = arrays[f"latents/{CLASSES[label]}"].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(mean.numpy(), wanted, rtol=1e-6)
    assert sets == [[*range(IPC)], [*range(IPC, 2 * IPC)]]


def test_a_set_of_more_images_than_the_batch_asks_the_model_in_parts(home, monkeypatch):
    seen, load = [], stage.load_diffusion

    def watched(*given):
        model = load(*given)
        inner = model.eps
        model.eps = lambda latents, *more: seen.append(len(latents)) or inner(latents, *more)
        return model

    monkeypatch.setattr(stage, "load_diffusion", watched)
    make(home, [1], 2, [REPULSION])
    assert set(seen) == {4, 2}  # of both branches of two images, and of the last one


def test_latents_that_are_lost_in_a_set_name_their_class(home, tmp_path):
    latents = np.zeros((4, IPC, *SHAPE), np.float32)
    latents[2, 4, 0, 0, 0] = np.inf
    write_tensors(tmp_path / "starts.safetensors", {"latents": latents, "group": np.zeros(4), "score": np.zeros(4)})
    with pytest.raises(RetortError, match=r"class cat: a latent in .*starts\.safetensors is not finite"):
        make(home, [0, 1, 2, 3], 2, [REPULSION], starts=tmp_path / "starts.safetensors")
    latents = np.zeros((7, *SHAPE), np.float32)
    latents[3] = np.nan
    write_latents(tmp_path / "real.safetensors", dict.fromkeys(CLASSES, latents), {c: range(7) for c in CLASSES})
    with pytest.raises(RetortError, match=r"class bee: a latent in .*real\.safetensors is not finite"):
        make(home, [1], 2, [VOLUME], real=tmp_path / "real.safetensors")


class Killed(Exception):
    """What a killed job looks like from inside."""


@pytest.mark.parametrize("name", GUIDES)
@pytest.mark.parametrize("later", [2, 4])
def test_a_killed_job_resumes_behind_its_last_whole_batch_to_the_same_result(
    home, tmp_path, monkeypatch, capsys, name, later
):
    """Also where the next attempt has another batch, in which it finds nothing of the first one's and uses nothing."""

    def attempt(output, batch):
        places = [home / "classes.csv", None, home / "representatives.csv", home / "real.safetensors", None, None,
                  home / "real.safetensors", output]  # fmt: skip
        settings = {"start": part_of("starts", "noise"), "sampling": by(GUIDES[name]), "class_indices": [0, 1, 2],
                    "number": IPC, "side": 16, "dataset": "toy", "seed": 0, "batch": batch}  # fmt: skip
        kept = KeptBatches(tmp_path / "kept", "this")
        stage.generate_images(*(str(p) if p else None for p in places), kept, **files(home), **settings)
        return {key: np.array(value) for key, value in open_tensors(output).items()}

    wanted = attempt(tmp_path / "undisturbed.safetensors", later)
    batches, whole = [], stage.sample

    def killed(*given):
        if len(batches) == 2:
            raise Killed
        batches.append(given)
        return whole(*given)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "sample", killed)
        with pytest.raises(Killed):
            attempt(tmp_path / "images.safetensors", 2)
    capsys.readouterr()
    found = attempt(tmp_path / "images.safetensors", later)
    assert capsys.readouterr().out.count("resuming: batch") == (2 if later == 2 else 0)
    for key in wanted:
        np.testing.assert_array_equal(found[key], wanted[key])


def test_padding_is_sampled_as_its_own_set_is_and_never_written(home):
    """A shard whose sets do not fill its first batch: what pads it is a set that is there already."""
    torch.manual_seed(1)
    found = make(home, [3], 4 * IPC, [REPULSION])
    whole = make(home, [0, 1, 2, 3], 4 * IPC, [REPULSION])
    np.testing.assert_array_equal(found["latents"], whole["latents"][3 * IPC :])
