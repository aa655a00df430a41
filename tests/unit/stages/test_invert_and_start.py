"""Inverted statistics of classes, and the starts that are chosen by them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.helpers.tiny_models import CLASSES, SHAPE, files, kept, save_models

from retort.base.errors import RetortError
from retort.base.tensors import open_tensors, write_tensors
from retort.methods.ddim import invert
from retort.methods.guidance import Guided
from retort.models.load import load_diffusion
from retort.stages.shared.choose_starts import choose_starts
from retort.stages.shared.invert_latents import invert_latents

IPC = 3


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """dit/, learned/ and vae/ with random weights, classes.csv."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    return folder


# ---------------------------------------------------------------- invert


@pytest.fixture(scope="module")
def clean(home) -> dict[str, np.ndarray]:
    """Latents of nine and of six images, also in home/latents.safetensors, where "dog" has one and "cat" is lost."""
    rng = np.random.default_rng(1)
    arrays = {c: rng.standard_normal((n, *SHAPE)).astype(np.float32) for c, n in (("ant", 9), ("bee", 6), ("dog", 1))}
    lost = arrays["bee"].copy()
    lost[4, 0, 0, 0] = np.nan
    write_tensors(home / "latents.safetensors", {f"latents/{c}": a for c, a in (arrays | {"cat": lost}).items()})
    return arrays


def statistics(home: Path, classes: list[str], batch: int, **changes) -> dict[str, np.ndarray]:
    settings = {"steps": 10, "stop": 6, "guidance": 2.0} | changes
    output = home / "inverted.safetensors"
    latents, table = str(home / "latents.safetensors"), str(home / "classes.csv")
    invert_latents(latents, table, str(output), kept(home), **files(home), class_ids=classes, batch=batch, **settings)
    return {name: np.array(array) for name, array in open_tensors(output).items()}


def test_inverted_statistics_do_not_depend_on_the_batch(home, clean):
    one, eight = (statistics(home, ["ant", "bee"], batch) for batch in (1, 8))
    for name in ("mean", "variance"):
        error = np.linalg.norm(one[name] - eight[name]) / np.linalg.norm(one[name])
        assert error < 1e-4
    assert one["count"].tolist() == eight["count"].tolist() == [9, 6]


def test_mean_and_unbiased_variance_are_those_of_directly_inverted_latents(home, clean):
    found = statistics(home, ["bee", "ant"], batch=4)
    diffusion = load_diffusion(*files(home).values())
    for k, class_id in enumerate(("bee", "ant")):
        entry = SimpleNamespace(index=CLASSES.index(class_id))
        latents = torch.from_numpy(clean[class_id])
        denoise = Guided(diffusion, diffusion.condition([entry] * len(latents)), 2.0)
        with torch.inference_mode():
            inverted = invert(latents, denoise, diffusion.alphas_cumprod, 10, 6).double().numpy()
        np.testing.assert_allclose(found["mean"][k], inverted.mean(axis=0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["variance"][k], inverted.var(axis=0, ddof=1), rtol=1e-3, atol=1e-5)
        assert np.abs(inverted - clean[class_id]).max() > 0.1
    assert (found["mean"].dtype, found["variance"].dtype) == (np.float64, np.float64)


def test_inverted_statistics_do_not_depend_on_the_shard(home, clean):
    together, alone = statistics(home, ["ant", "bee"], 4), statistics(home, ["bee"], 4)
    for name in ("mean", "variance", "count"):
        np.testing.assert_array_equal(alone[name][0], together[name][1])


def test_a_class_of_one_image_has_no_variance(home, clean):
    with pytest.raises(RetortError, match="class dog has 1 training image; a variance needs two"):
        statistics(home, ["ant", "dog"], 4)


def test_inverted_latents_that_are_lost_name_their_class(home, clean):
    with pytest.raises(RetortError, match=r"class cat: a latent in .*latents\.safetensors is not finite; delete the"):
        statistics(home, ["ant", "cat"], 4)


# ---------------------------------------------------------------- choose_starts

CHOICE = {"number": IPC, "search": "groups", "groups": 150, "skew_weight": 0.1, "dataset": "toy", "seed": 0}


def write_inversions(folder: Path, *sizes: int) -> list[str]:
    """Statistics of six classes, in shards of `sizes` classes."""
    rng = np.random.default_rng(2)
    mean, variance = rng.standard_normal((6, *SHAPE)), rng.uniform(0.01, 4, (6, *SHAPE))
    paths, first = [], 0
    for size in sizes:
        part = slice(first, first + size)
        paths.append(str(folder / f"{size}-{first}.safetensors"))
        arrays = {"mean": mean[part], "variance": variance[part], "count": np.full(size, 9)}
        write_tensors(paths[-1], arrays)
        first += size
    return paths


def chosen(folder: Path, sizes: tuple[int, ...] = (6,), **changes) -> dict[str, np.ndarray]:
    output = folder / "starts.safetensors"
    choose_starts(write_inversions(folder, *sizes), str(output), **CHOICE | changes)
    return {name: np.array(array) for name, array in open_tensors(output).items()}


def moments(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(mean, standard deviation) of the six classes."""
    tensors = open_tensors(write_inversions(folder, 6)[0])
    return np.array(tensors["mean"]), np.sqrt(tensors["variance"])


@pytest.mark.parametrize("search", ["groups", "closed-form"])
def test_starts_do_not_depend_on_the_shards(tmp_path, search):
    one = chosen(tmp_path, search=search)
    for sizes in ((1, 3, 2), (2, 2, 2)):
        three = chosen(tmp_path, sizes, search=search)
        np.testing.assert_array_equal(three["group"], one["group"])
        np.testing.assert_array_equal(three["latents"], one["latents"])
        np.testing.assert_allclose(three["score"], one["score"], rtol=1e-12)


def test_chosen_groups_have_the_score_that_is_recorded(tmp_path):
    found = chosen(tmp_path)
    mean, std = moments(tmp_path)
    dims = np.prod(SHAPE)
    for k in range(6):
        group = found["latents"][k].astype(np.float64)
        centre, spread = group.mean(axis=0), group.std(axis=0, ddof=1)
        skew = (((group - centre) / spread) ** 3).sum(axis=(1, 2, 3)) * dims / ((dims - 1) * (dims - 2))
        score = np.linalg.norm(centre - mean[k]) + np.linalg.norm(spread - std[k]) + 0.1 * np.linalg.norm(skew)
        assert found["score"][k] == pytest.approx(score, rel=1e-4)
    assert found["latents"].dtype == np.float32
    assert all(0 <= g < 150 for g in found["group"])


def test_more_groups_never_score_worse_and_change_no_draw(tmp_path):
    few, many = chosen(tmp_path, groups=10), chosen(tmp_path, groups=150)
    assert (many["score"] <= few["score"]).all()
    assert (many["score"] < few["score"]).any()
    kept = many["group"] < 10
    np.testing.assert_array_equal(many["group"][kept], few["group"][kept])
    assert (many["group"] >= 64).any()  # beyond the first block of draws


def test_closed_form_starts_have_the_mean_and_deviation_of_their_class(tmp_path):
    found = chosen(tmp_path, search="closed-form")
    mean, std = moments(tmp_path)
    latents = found["latents"].astype(np.float64)
    np.testing.assert_allclose(latents.mean(axis=1), mean, rtol=0, atol=1e-5)
    np.testing.assert_allclose(latents.std(axis=1, ddof=1), std, rtol=1e-4, atol=1e-5)
    assert found["group"].tolist() == [-1] * 6
    assert (found["score"] < chosen(tmp_path)["score"] / 100).all()


def test_one_closed_form_start_is_the_mean_of_its_class(tmp_path):
    latents = chosen(tmp_path, search="closed-form", number=1)["latents"]
    np.testing.assert_array_equal(latents[:, 0], moments(tmp_path)[0].astype(np.float32))


def test_starts_change_with_the_seed_and_the_dataset(tmp_path):
    usual = chosen(tmp_path)["latents"]
    for other in ({"seed": 1}, {"dataset": "other"}):
        assert not np.isclose(chosen(tmp_path, **other)["latents"], usual).all(axis=(1, 2, 3, 4)).any()
