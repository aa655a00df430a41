"""Patches ranked and composed: a permutation of what was scored, and every cell accounted for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.helpers.scored_patches import (
    SCORERS,
    SHAPES,
    cropped,
    cut,
    windowed,
)
from tests.helpers.tiny_models import SIDE, Pictures, files, read

from retort.artifacts.patches import COLUMNS, ranked_rows, read_patches, write_patches
from retort.base.errors import RetortError
from retort.base.seeds import derive_seed
from retort.methods.diversity import diverse_ranking
from retort.methods.mosaics import mosaic_ranks
from retort.models.classifiers import normalised
from retort.models.load import load_codec
from retort.models.pixels import to_images, to_pixels
from retort.models.teacher import load_teacher
from retort.parts.resolve import part_of
from retort.stages.sets.compose_mosaics import compose_mosaics
from retort.stages.shared.rank_patches import Embedder, rank_by

# ---------------------------------------------------------------- ranking


def embedder_of(home: Path, kind: str) -> Embedder:
    if kind == "teacher":
        return Embedder.of_teacher(str(home / "teacher"), list(SHAPES), SIDE)
    return Embedder.of_encoder(files(home)["codec"])


def ranked(home: Path, pictures: Pictures, embedder: Embedder, scored: str, classes=tuple(SHAPES), **changes):
    rank = part_of("rankings", {"clusters": 3, "encoder": "vae"})
    settings = {"rank": rank, "dataset": "toy", "seed": 0, "batch": 64, "threads": 2} | changes
    paths = (str(home / f"{scored}.csv"), pictures.manifest, str(home / "ranked.csv"))
    rank_by(embedder, *paths, class_ids=list(classes), **settings)
    return read_patches(str(home / "ranked.csv"))


@pytest.mark.parametrize("kind", ["teacher", "encoder"])
@pytest.mark.parametrize("scorer", SCORERS)
def test_ranking_is_a_permutation_of_each_classs_patches(home, few, scorer, kind):
    before = SCORERS[scorer](home, few)
    found = ranked(home, few, embedder_of(home, kind), scorer)
    key = [c for c in COLUMNS if c not in ("rank", "cluster")]
    pd.testing.assert_frame_equal(
        found[key].sort_values(key, ignore_index=True), before[key].sort_values(key, ignore_index=True)
    )
    assert list(dict.fromkeys(found["class_id"])) == list(SHAPES)
    for class_id, rows in found.groupby("class_id"):
        assert rows["rank"].tolist() == list(range(len(rows)))
        assert len(rows) == (before["class_id"] == class_id).sum()
        kinds = rows["cluster"].nunique()
        assert kinds > 1
        assert set(rows["cluster"].head(kinds)) == set(range(kinds))


@pytest.mark.parametrize("kind", ["teacher", "encoder"])
def test_the_ranking_is_the_methods_own_of_what_the_embedder_sees(home, few, kind):
    before = windowed(home, few)
    found = ranked(home, few, embedder_of(home, kind), "windows")
    for class_id in SHAPES:
        members = before[before["class_id"] == class_id]
        images = to_images(to_pixels(2 * cut(members, few, SIDE) - 1))
        with torch.no_grad():
            if kind == "teacher":
                features = load_teacher(home / "teacher", list(SHAPES)).features(normalised(images))
            else:
                features = load_codec(files(home)["codec"]).encode(images).flatten(1)
        seed = derive_seed(0, "patches", "toy", class_id) % 2**31
        order, cluster = diverse_ranking(features.numpy(), members["score"].to_numpy(), 3, seed)
        rows = found[found["class_id"] == class_id]
        assert rows["score"].tolist() == members["score"].to_numpy()[order].tolist()
        assert rows["cluster"].tolist() == cluster[order].tolist()


@pytest.mark.parametrize("kind", ["teacher", "encoder"])
def test_features_do_not_depend_on_the_batch(home, few, kind):
    patches = list(cut(windowed(home, few).head(10), few, SIDE))
    embed = embedder_of(home, kind)
    assert embed.side == SIDE
    found = embed(iter(patches), 64)
    np.testing.assert_allclose(embed(iter(patches), 3), found, rtol=1e-3, atol=1e-4)
    assert found.shape == (10, {"teacher": 64, "encoder": 256}[kind])
    assert len(np.unique(found, axis=0)) == 10


def test_features_that_are_not_finite_name_their_class(home, few):
    windowed(home, few)
    broken = Embedder(SIDE, lambda pixels: np.full((len(pixels), 2), np.nan))
    with pytest.raises(RetortError, match=r"class 01: what a patch was embedded as is not finite; set the encoder"):
        ranked(home, few, broken, "windows")


def test_ranking_does_not_depend_on_the_shard(home, few):
    windowed(home, few)
    whole = ranked(home, few, embedder_of(home, "teacher"), "windows")
    parts = [ranked(home, few, embedder_of(home, "teacher"), "windows", [class_id]) for class_id in SHAPES]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


# ---------------------------------------------------------------- composing


def write_ranked(home: Path, pictures: Pictures, count: int = 12, size: int = 8) -> pd.DataFrame:
    """`count` patches a class of size x size pixels, at random places of its images, in ranked.csv."""
    tables = []
    for class_id in pictures.classes:
        rng = np.random.default_rng([len(tables), count])
        members = pictures.images.loc[rng.permutation(np.resize(pictures.rows_of(class_id), count))]
        top, left = (rng.integers(0, members[s].to_numpy() - size + 1) for s in ("height", "width"))
        boxes = np.stack([top, left, *np.full((2, count), size)], 1)
        tables.append(ranked_rows(class_id, members, boxes, np.linspace(3, 1, count), 0))
    write_patches(tables, str(home / "ranked.csv"))
    return read_patches(str(home / "ranked.csv"))


def composed(home: Path, pictures: Pictures, classes=(0, 1), **changes) -> dict[str, np.ndarray]:
    settings = {"ipc": 3, "grid": 2, "fill": "consecutive", "rounding": "nearest", "side": SIDE, "threads": 2} | changes
    output = home / "composed.safetensors"
    paths = (str(home / "ranked.csv"), pictures.manifest, pictures.table, str(output))
    compose_mosaics(*paths, class_indices=list(classes), **settings)
    return read(output)


@pytest.mark.parametrize("rounding", ["nearest", "truncate"])
@pytest.mark.parametrize("fill", ["consecutive", "strided"])
def test_every_cell_is_the_patch_of_the_row_that_is_recorded(home, few, fill, rounding):
    patches, found = write_ranked(home, few), composed(home, few, fill=fill, rounding=rounding)
    order = mosaic_ranks(3, 2, fill)
    assert found["rows"].shape == (6, 4)
    for n, (label, index) in enumerate((k, i) for k in range(2) for i in range(3)):
        members = patches[patches["class_id"] == few.classes[label]]
        for cell, rank in enumerate(order[index]):
            patch = members.iloc[rank]
            assert found["rows"][n, cell] == patch["row"]
            box = (slice(patch["top"], patch["top"] + 8), slice(patch["left"], patch["left"] + 8))
            place = (slice(cell // 2 * 8, cell // 2 * 8 + 8), slice(cell % 2 * 8, cell % 2 * 8 + 8))
            difference = few.pixels(patch["row"])[box].astype(int) - found["pixels"][n][place]
            assert set(np.unique(difference)) <= ({0} if rounding == "nearest" else {0, 1})
        assert found["score"][n] == pytest.approx(members["score"].to_numpy()[order[index]].mean())


def test_a_shard_lists_its_classes_and_images_in_label_order(home, few):
    write_ranked(home, few)
    found = composed(home, few)
    assert found["class_index"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found["index"].tolist() == [0, 1, 2, 0, 1, 2]
    assert found["pixels"].shape == (6, SIDE, SIDE, 3)
    assert (found["pixels"].dtype, found["score"].dtype) == (np.uint8, np.float64)
    second = composed(home, few, [1])
    for key in found:
        np.testing.assert_array_equal(second[key], found[key][3:])


@pytest.mark.parametrize(("small", "large"), [(1, 2), (2, 3), (1, 3)])
def test_consecutive_sets_contain_the_smaller_ones(home, few, small, large):
    write_ranked(home, few)
    few_images, many = composed(home, few, ipc=small), composed(home, few, ipc=large)
    kept = many["index"] < small
    for key in few_images:
        np.testing.assert_array_equal(many[key][kept], few_images[key])


def test_strided_sets_give_every_image_one_of_the_best_patches_and_do_not_nest(home, few):
    patches = write_ranked(home, few)
    found = composed(home, few, fill="strided")
    best = patches.loc[patches["class_id"] == "01", "row"].tolist()
    assert found["rows"][:3, 0].tolist() == best[:3]
    assert not np.array_equal(composed(home, few, fill="strided", ipc=2)["rows"][0], found["rows"][0])


def test_truncating_cuts_fractions_off_and_nearest_rounds_them(home, few):
    write_ranked(home, few, size=13)  # resized to 8, so grey levels have fractions
    cut, rounded = (composed(home, few, rounding=r)["pixels"].astype(int) for r in ("truncate", "nearest"))
    assert set(np.unique(rounded - cut)) == {0, 1}
    assert 0.35 < (rounded - cut).mean() < 0.65


@pytest.mark.parametrize(("side", "grid"), [(17, 2), (16, 3), (16, 1)])
def test_any_side_and_grid_fill_the_whole_image(home, few, side, grid):
    patches = write_ranked(home, few, count=9)
    found = composed(home, few, ipc=1, side=side, grid=grid)
    assert found["pixels"].shape == (2, side, side, 3)
    assert found["rows"].shape == (2, grid**2)
    assert found["rows"][0].tolist() == patches["row"].tolist()[: grid**2]
    assert (found["pixels"].reshape(2, -1, 3).max(axis=1) > 0).all()


def test_a_class_with_too_few_patches_is_named(home, few):
    patches = write_ranked(home, few)
    short = patches[(patches["class_id"] == "01") | (patches["rank"] < 11)]
    write_patches([short], str(home / "ranked.csv"))
    assert composed(home, few, [0])["index"].tolist() == [0, 1, 2]
    with pytest.raises(RetortError, match="class NA: 3 images of 2 x 2 need 12 patches, found 11; lower ipc in runs"):
        composed(home, few)


def test_a_class_without_patches_is_named(home, few):
    patches = write_ranked(home, few)
    write_patches([patches[patches["class_id"] == "01"]], str(home / "ranked.csv"))
    with pytest.raises(RetortError, match="class NA: 3 images of 2 x 2 need 12 patches, found 0"):
        composed(home, few)


def test_scored_patches_compose_without_a_ranking(home, few):
    """RDED's way: the crops in the order of their scores."""
    table = cropped(home, few, images=100)
    (home / "ranked.csv").write_bytes((home / "crops.csv").read_bytes())
    found = composed(home, few, ipc=1)
    for label, class_id in enumerate(SHAPES):
        assert found["rows"][label].tolist() == table.loc[table["class_id"] == class_id, "row"].tolist()[:4]
