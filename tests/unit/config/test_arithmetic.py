"""Sides that models trained here cannot divide, and patches that no mosaic can have, are refused with the config."""

from copy import deepcopy

import pytest

from retort.base.errors import RetortError
from retort.config.load import load_config

BASE = {
    "dataset": {"kind": "digits", "resolution": 32},
    "models": {
        "vae": {"kind": "vae", "train": {"channels": [16, 32, 32]}},
        "dit": {"kind": "dit", "encoder": "vae", "train": {"patch": 2}},
    },
    "methods": {"random": {"select": "random"}},
    "protocols": {
        "hard": {
            "labels": "hard",
            "views": {"steps": 5},
            "optimizer": {"kind": "sgd", "lr": 0.1, "schedule": "constant"},
        }
    },
    "runs": [{"methods": ["random"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}],
}


def load(side: int, vae: dict | None = None, **dit: int):
    raw = deepcopy(BASE)
    raw["dataset"]["resolution"] = side
    raw["models"]["vae"] |= vae or {}
    raw["models"]["dit"]["train"] |= dit
    return load_config(raw)


@pytest.mark.parametrize(
    ("side", "words"),
    [
        (36, "dataset.resolution 36 makes latents of 9, which patch 2 does not divide; 32 or 40 do"),
        (100, "dataset.resolution 100 makes latents of 25, which patch 2 does not divide; 96 or 104 do"),
        (50, "3 blocks halve a side 2 times, but dataset.resolution 50 is no multiple of 4; 48 or 52 do"),
        (9, "dataset.resolution 9 is no multiple of 4; 8 or 12 do"),
    ],
)
def test_a_side_that_does_not_divide_is_refused_with_the_next_that_do(side, words):
    with pytest.raises(RetortError) as caught:
        load(side)
    assert words in str(caught.value)
    assert "models.dit.train.patch" in str(caught.value) or "models.vae.train.channels" in str(caught.value)


@pytest.mark.parametrize("side", [8, 32, 96, 104, 224, 256])
def test_sides_that_divide_are_accepted(side):
    load(side)


def test_the_encoders_own_side_counts_where_it_has_one():
    with pytest.raises(RetortError, match=r"models\.vae\.resolution 36 makes latents of 9"):
        load(32, {"resolution": 36})
    with pytest.raises(RetortError, match=r"resolution 34 is no multiple of 4"):
        load(32, {"resolution": 34})


@pytest.mark.parametrize(("patch", "fine"), [(1, True), (2, True), (3, False), (4, True), (5, False)])
def test_patches_of_any_size_are_counted(patch, fine):
    if fine:
        load(32, patch=patch)
    else:
        with pytest.raises(RetortError, match=f"latents of 8, which patch {patch} does not divide"):
            load(32, patch=patch)


def test_a_width_that_cannot_tell_places_is_refused():
    with pytest.raises(RetortError, match=r"models\.dit\.train: heads 3 times head_dim 2 is a width of 6"):
        load(32, heads=3, head_dim=2)


def test_models_from_elsewhere_are_looked_at_when_they_are_there():
    raw = deepcopy(BASE)
    raw["dataset"]["resolution"] = 100
    raw["models"] = {"vae": {"kind": "vae", "source": "x"}, "dit": {"kind": "dit", "encoder": "vae", "source": "y"}}
    load_config(raw)


def mosaics(ipc: list[int], **score) -> str:
    """What is said of mosaics of 2 x 2 patches of one method, among methods that have none."""
    raw = deepcopy(BASE) | {"typicalities": {"typical": {"model": "dit"}}}
    raw["teachers"] = {"judge": {"arch": "resnet8", "train": {}}}
    raw["methods"] = {"random": {"select": "random"}, "mosaic": {"compose": {"score": score}}}
    raw["runs"] = [
        BASE["runs"][0] | {"methods": ["mosaic"], "ipc": ipc},
        BASE["runs"][0] | {"methods": ["random"], "ipc": [1000]},
    ]
    try:
        load_config(raw)
    except RetortError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("kept", "score"), [("images", {"teacher": "judge"}), ("keep", {"typicality": "typical"})])
def test_mosaics_take_no_more_patches_than_are_kept(kept, score):
    assert mosaics([1, 10], **score, **{kept: 40}) == ""
    said = mosaics([1, 11], **score, **{kept: 43})
    assert f"methods.mosaic.compose.score.{kept}: 43" in said
    assert "but ipc 11 of 2 x 2 patches takes 44; raise it to that, or ask for ipc 10 at most" in said
