"""Real images chosen by their latents or by what a teacher sees in them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.helpers.tiny_models import Pictures, read, save_untrained_teacher, write_latents

from retort.artifacts.features import class_features
from retort.artifacts.pixels import open_split
from retort.base.errors import RetortError
from retort.base.seeds import derive_seed
from retort.base.tensors import write_tensors
from retort.models.classifiers import normalised
from retort.models.pixels import to_images
from retort.models.teacher import load_teacher
from retort.parts.resolve import part_of
from retort.parts.selections import Seen
from retort.stages.data.decode_split import decode_split
from retort.stages.sets.select_by_features import select_by_features
from retort.stages.shared import describe_images as stages_describe
from retort.stages.shared.describe_images import describe_images

SIDE = 8
COUNTS = {"dog": 9, "ant": 6, "cat": 7}  # in label order


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Pictures:
    """Pictures of three classes with train.safetensors, a teacher, and its description of them in two shards."""
    folder = tmp_path_factory.mktemp("pets")
    pictures = Pictures(folder / "images", {c: {str(i): (SIDE, SIDE) for i in range(n)} for c, n in COUNTS.items()})
    decode_split(pictures.manifest, str(folder / "train.safetensors"), split="train", side=SIDE, threads=1)
    save_untrained_teacher(folder / "teacher", list(COUNTS), SIDE)
    for name, classes in (("one", [0, 1]), ("two", [2]), ("all", [0, 1, 2])):
        describe(folder, folder / f"{name}.safetensors", classes)
    rng = np.random.default_rng(3)
    latents = {c: rng.standard_normal((n, 2, 3, 3)) for c, n in COUNTS.items()}
    # The encoder's order is the manifest's; any other must serve as well.
    rows = {c: pictures.rows_of(c)[::-1] for c in COUNTS}
    write_latents(folder / "latents.safetensors", latents, rows)
    return pictures


def describe(home: Path, output: Path, classes: list[int]) -> dict[str, np.ndarray]:
    table = str(home / "images" / "classes.csv")
    inputs = (str(home / "images" / "manifest.parquet"), table, str(home / "teacher"))
    describe_images(*inputs, str(output), class_indices=classes, side=SIDE, threads=1)
    return read(output)


def home_of(pets: Pictures) -> Path:
    return pets.folder.parent


def selection(select: dict, shard: str):
    """The part; a coverage is of what a teacher sees, or of latents."""
    space = {"teacher": "judge"} if shard not in ("latents", "broken") else {"encoder": "vae"}
    return part_of("selections", select | (space if "coverage" in select else {}))


def selected(pets: Pictures, select: dict, shards: list[str], ipc: int = 3, **changes) -> pd.DataFrame:
    """The choices of all shards, one after the other; shards: for each class, the file that describes it."""
    settings, found = {"dataset": "pets", "seed": 0} | changes, []
    for shard in dict.fromkeys(shards):
        paths = [str(home_of(pets) / name) for name in (f"{shard}.safetensors", "selection.csv")]
        classes = [label for label, name in enumerate(shards) if name == shard]
        given = {"class_indices": classes, "select": selection(select, shard), "ipc": ipc}
        select_by_features(pets.manifest, pets.table, *paths, **given, **settings)
        found.append(pd.read_csv(paths[1]))
    return pd.concat(found, ignore_index=True)


TEACHER, LATENTS = ["one", "one", "two"], ["latents"] * 3


# ---------------------------------------------------------------- what a teacher sees


def test_a_description_is_the_teachers_view_of_the_rows_it_names(pets):
    found = describe(home_of(pets), home_of(pets) / "again.safetensors", [0, 1, 2])
    pixels, labels = open_split(str(home_of(pets) / "train.safetensors"))
    judge = load_teacher(home_of(pets) / "teacher", list(COUNTS))
    for label, class_id in enumerate(COUNTS):
        rows = found[f"rows/{class_id}"]
        assert rows.tolist() == pets.rows_of(class_id) == np.flatnonzero(labels == label).tolist()
        images = normalised(to_images(pixels[rows]))
        with torch.no_grad():
            features, logits = judge.features(images), judge(images)
        np.testing.assert_allclose(found[f"features/{class_id}"], features, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[f"logits/{class_id}"], logits, rtol=1e-4, atol=1e-4)
        assert found[f"features/{class_id}"].dtype == found[f"logits/{class_id}"].dtype == np.float32
        assert found[f"logits/{class_id}"].shape == (COUNTS[class_id], 3)


def test_a_description_is_made_batch_by_batch_of_one_class(pets, monkeypatch):
    whole, seen, through = read(home_of(pets) / "one.safetensors"), [], stages_describe.features_and_logits
    monkeypatch.setattr(stages_describe, "BATCH", 2)
    watched = lambda *given: seen.append(len(given[1])) or through(*given)  # noqa: E731
    monkeypatch.setattr(stages_describe, "features_and_logits", watched)
    found = describe(home_of(pets), home_of(pets) / "again.safetensors", [0, 1])
    assert seen == [min(2, n - i) for n in list(COUNTS.values())[:2] for i in range(0, n, 2)]
    for name in whole:
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-4, atol=1e-5)


def test_a_description_does_not_depend_on_the_shard(pets):
    whole = describe(home_of(pets), home_of(pets) / "again.safetensors", [0, 1, 2])
    parts = read(home_of(pets) / "one.safetensors") | read(home_of(pets) / "two.safetensors")
    assert set(parts) == set(whole)
    for name in whole:
        np.testing.assert_array_equal(parts[name], whole[name])


def test_class_features_are_a_teachers_or_latents_laid_flat_with_their_rows(pets):
    described, rows = class_features(str(home_of(pets) / "one.safetensors"), "ant")
    np.testing.assert_array_equal(described, read(home_of(pets) / "one.safetensors")["features/ant"])
    assert rows.tolist() == pets.rows_of("ant")
    flat, rows = class_features(str(home_of(pets) / "latents.safetensors"), "ant")
    np.testing.assert_array_equal(flat, read(home_of(pets) / "latents.safetensors")["latents/ant"].reshape(6, -1))
    assert rows.tolist() == pets.rows_of("ant")[::-1]


# ---------------------------------------------------------------- what is chosen


@pytest.mark.parametrize("shards", [TEACHER, LATENTS], ids=["teacher", "latents"])
@pytest.mark.parametrize("coverage", ["herding", "kmeans", "k-centre"])
def test_coverage_is_of_each_classs_own_features(pets, coverage, shards):
    found = selected(pets, {"coverage": coverage}, shards)
    for label, class_id in enumerate(COUNTS):
        features, rows = class_features(str(home_of(pets) / f"{shards[label]}.safetensors"), class_id)
        seed = derive_seed(0, "coverage", "pets", class_id) % 2**31
        part = selection({"coverage": coverage}, shards[label])
        expected = rows[part.choose(Seen(features, None, label), 3, seed).members].tolist()
        assert found.loc[found["class_index"] == label, "row"].tolist() == expected


@pytest.mark.parametrize(("keep", "sign"), [("confident", -1), ("uncertain", 1)])
def test_a_teacher_takes_the_recognised_first_by_confidence(pets, keep, sign):
    found = selected(pets, {"teacher": "judge", "keep": keep}, TEACHER, ipc=5)
    for label, class_id in enumerate(COUNTS):
        seen = read(home_of(pets) / f"{TEACHER[label]}.safetensors")
        chances = torch.softmax(torch.from_numpy(seen[f"logits/{class_id}"]).double(), 1).numpy()
        sure, right = chances.max(1), chances.argmax(1) == label
        order = sorted(range(len(sure)), key=lambda i: (not right[i], sign * sure[i]))[:5]
        chosen = found[found["class_index"] == label]
        assert chosen["row"].tolist() == seen[f"rows/{class_id}"][order].tolist()
        assert chosen["correct"].tolist() == right[order].astype(int).tolist()
        np.testing.assert_allclose(chosen["confidence"], sure[order], atol=1e-6)


def test_wrong_ones_that_fill_are_warned_of_by_class(pets, capsys):
    found = selected(pets, {"teacher": "judge", "keep": "confident"}, ["all"] * 3, ipc=5)
    wrong = 5 - found.groupby("class_index")["correct"].sum()
    assert (wrong > 0).any()
    listed = ", ".join(f"{list(COUNTS)[k]} ({n})" for k, n in wrong.items() if n)
    told = capsys.readouterr().out
    assert told.startswith("warning: the teacher recognised too few of the real images")
    assert f"had to fill {(wrong > 0).sum()} classes: {listed}. They are marked correct = 0" in told
    selected(pets, {"coverage": "herding"}, TEACHER)
    assert capsys.readouterr().out == ""


EVERY = [
    ({"coverage": "herding"}, TEACHER),
    ({"coverage": "kmeans"}, TEACHER),
    ({"coverage": "k-centre"}, TEACHER),
    ({"coverage": "herding"}, LATENTS),
    ({"coverage": "kmeans"}, LATENTS),
    ({"coverage": "k-centre"}, LATENTS),
    ({"teacher": "judge", "keep": "confident"}, TEACHER),
    ({"teacher": "judge", "keep": "uncertain"}, TEACHER),
]


@pytest.mark.parametrize("ipc", [1, 4, 6])
@pytest.mark.parametrize(("select", "shards"), EVERY)
def test_every_class_gets_that_many_distinct_images_of_its_own(pets, select, shards, ipc):
    found = selected(pets, select, shards, ipc)
    said = ["correct", "confidence"] if "teacher" in select else []
    assert sorted(found.columns) == sorted(["class_index", "index", "row", "image_id", *said])
    assert found["class_index"].tolist() == np.repeat(range(3), ipc).tolist()
    assert found["index"].tolist() == [*range(ipc)] * 3
    assert found["row"].is_unique
    assert found["image_id"].tolist() == pets.images.loc[found["row"], "image_id"].tolist()
    assert found["image_id"].str.split("/").str[0].tolist() == np.repeat(list(COUNTS), ipc).tolist()


@pytest.mark.parametrize(
    "select", [{"coverage": "herding"}, {"coverage": "k-centre"}, {"teacher": "judge", "keep": "confident"}]
)
def test_larger_sets_begin_with_the_smaller_ones(pets, select):
    small, large = (selected(pets, select, TEACHER, ipc) for ipc in (2, 5))
    pd.testing.assert_frame_equal(large[large["index"] < 2].reset_index(drop=True), small)


@pytest.mark.parametrize("select", [{"coverage": "kmeans"}, {"teacher": "judge", "keep": "confident"}])
def test_the_choice_does_not_depend_on_the_shards(pets, select):
    whole, parts = selected(pets, select, ["all"] * 3), selected(pets, select, TEACHER)
    pd.testing.assert_frame_equal(parts, whole)


@pytest.mark.parametrize(("select", "shards"), EVERY)
def test_a_class_with_too_few_images_is_named_with_what_to_change(pets, select, shards):
    with pytest.raises(RetortError, match=r"class ant: .*7.*6.*; lower ipc in runs"):
        selected(pets, select, shards, ipc=7)


def test_features_that_are_not_finite_name_their_class(pets):
    tensors = read(home_of(pets) / "latents.safetensors")
    tensors["latents/cat"][2, 0, 0, 0] = np.nan
    write_tensors(home_of(pets) / "broken.safetensors", tensors)
    with pytest.raises(RetortError, match=r"class cat: what .*broken\.safetensors says of an image is not finite"):
        selected(pets, {"coverage": "herding"}, ["broken"] * 3)


def test_k_means_is_seeded_by_seed_and_data_set(pets):
    select = {"coverage": "kmeans"}
    usual = selected(pets, select, LATENTS)
    pd.testing.assert_frame_equal(selected(pets, select, LATENTS), usual)
    others = [selected(pets, select, LATENTS, seed=s, dataset=d) for s in (0, 1, 2) for d in ("pets", "others")]
    assert len({tuple(other["row"]) for other in others}) > 1
