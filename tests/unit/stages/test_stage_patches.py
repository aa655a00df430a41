"""Patches from scoring to mosaics: boxes in the files' own pixels, seeded by image, and every cell accounted for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.helpers.tiny_models import SIDE, Pictures, files, read, save_models, save_untrained_teacher
from torch.nn import functional as F

from retort.artifacts.patches import BOX, COLUMNS, cut_patches, ranked_rows, read_patches, write_patches
from retort.base.errors import RetortError
from retort.base.seeds import derive_seed, torch_rng
from retort.base.tensors import write_tensors
from retort.data import streams
from retort.methods.diversity import diverse_ranking
from retort.methods.mosaics import mosaic_ranks, random_crop_boxes
from retort.methods.selection import random_order
from retort.methods.windows import best_windows, window_means
from retort.models.classifiers import normalised
from retort.models.load import load_codec
from retort.models.pixels import to_images, to_pixels
from retort.models.teacher import load_teacher
from retort.parts.resolve import part_of
from retort.parts.scores.teacher import TeacherScore
from retort.stages.sets.compose_mosaics import compose_mosaics
from retort.stages.shared.rank_patches import Embedder, rank_by
from retort.stages.shared.score_crops import score_crops
from retort.stages.shared.score_windows import score_windows

# (width, height), square and not; "01" and "NA" are class ids that a careless reader of CSV would change.
SHAPES = {
    "01": {"a": (40, 24), "b": (24, 40), "c": (32, 32), "d": (50, 20), "e": (21, 33), "f": (16, 16)},
    "NA": {"a": (30, 30), "b": (17, 64), "c": (64, 17), "d": (20, 20), "e": (33, 21)},
}
MORE = {c: {"new": (28, 36), **images, "other": (36, 28)} for c, images in SHAPES.items()}
SCORE = {"teacher": "judge", "images": 5, "crops": 4, "area": (0.1, 0.8)}
CROPS = {"grid": 2, "side": SIDE, "dataset": "toy", "seed": 0, "threads": 2}
WINDOWS = {"resolution": SIDE, "window": 0.25, "per_image": 3, "keep": 10}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """few/ and more/ pictures (the same and others beside them), models, a teacher of the two classes."""
    folder = tmp_path_factory.mktemp("patches")
    save_models(folder)
    save_untrained_teacher(folder / "teacher", list(SHAPES))
    return folder


@pytest.fixture(scope="module")
def few(home) -> Pictures:
    return Pictures(home / "few", SHAPES)


@pytest.fixture(scope="module")
def more(home) -> Pictures:
    return Pictures(home / "more", MORE)


def cut(patches: pd.DataFrame, pictures: Pictures, side: int, threads: int = 1) -> torch.Tensor:
    """(n, 3, side, side) in [0, 1]."""
    return torch.stack(list(cut_patches(patches, pictures.images["path"], side, threads)))


def cropped(home: Path, pictures: Pictures, classes=tuple(SHAPES), **changes) -> pd.DataFrame:
    paths = (pictures.manifest, pictures.table, str(home / "teacher"), str(home / "crops.csv"))
    score = part_of("scores", SCORE | {key: changes.pop(key) for key in list(changes) if key in SCORE})
    score_crops(*paths, class_ids=list(classes), score=score, **CROPS | changes)
    return read_patches(str(home / "crops.csv"))


def write_maps(home: Path, pictures: Pictures, seed: int = 0) -> Path:
    """A random map for each image, by its own id, in reverse order of the manifest."""
    tensors = {}
    for class_id in pictures.classes:
        rows = pictures.rows_of(class_id)[::-1]
        ids = pictures.images.loc[rows, "image_id"]
        maps = [np.random.default_rng([seed, *i.encode()]).standard_normal((8, 8)) for i in ids]
        tensors |= {f"maps/{class_id}": np.float32(maps), f"rows/{class_id}": np.array(rows)}
    write_tensors(home / "maps.safetensors", tensors)
    return home / "maps.safetensors"


def windowed(home: Path, pictures: Pictures, maps: Path | None = None, classes=tuple(SHAPES), **changes):
    paths = (str(maps or write_maps(home, pictures)), pictures.manifest, str(home / "windows.csv"))
    score_windows(*paths, class_ids=list(classes), **WINDOWS | changes)
    return read_patches(str(home / "windows.csv"))


SCORERS = {"crops": cropped, "windows": windowed}


@pytest.fixture(params=SCORERS)
def scored(request, home):
    return lambda pictures, **changes: SCORERS[request.param](home, pictures, **changes)


def test_crops_are_the_same_whoever_cuts_them(home, few, monkeypatch):
    here = cropped(home, few, threads=1)
    monkeypatch.setattr(streams, "FEW", 2)
    pd.testing.assert_frame_equal(cropped(home, few, threads=2), here, check_exact=True)


# ---------------------------------------------------------------- both ways to score


def test_boxes_lie_in_their_images_whatever_their_shape(few, scored):
    found = scored(few).join(few.images[["width", "height"]], on="row", rsuffix="_image")
    assert set(found["class_id"]) == set(SHAPES)
    assert (found[["top", "left"]] >= 0).all().all()
    assert (found[["height", "width"]] >= 1).all().all()
    assert (found["top"] + found["height"] <= found["height_image"]).all()
    assert (found["left"] + found["width"] <= found["width_image"]).all()
    assert (found["height"] == found["width"]).all()
    assert (found["width_image"] != found["height_image"]).any()
    assert all(np.issubdtype(found[column].dtype, np.integer) for column in BOX)


def test_patches_come_class_by_class_highest_score_first(few, scored):
    found = scored(few)
    assert list(found.columns) == COLUMNS
    assert list(dict.fromkeys(found["class_id"])) == list(SHAPES)
    for class_id, rows in found.groupby("class_id"):
        assert rows["rank"].tolist() == list(range(len(rows)))
        assert rows["score"].is_monotonic_decreasing
        assert rows["row"].isin(few.rows_of(class_id)).all()
        assert rows["image_id"].tolist() == few.images.loc[rows["row"], "image_id"].tolist()
    assert (found["cluster"] == -1).all()


def test_other_images_do_not_move_a_patch(few, more, scored):
    """All images of both folders are taken, and all their windows are kept."""
    every = {"images": 100} if scored(few)["image_id"].is_unique else {"keep": 1000}
    small, large = scored(few, **every), scored(more, **every)
    key = ["class_id", "image_id", *BOX, "score"]
    shared = large[large["image_id"].isin(small["image_id"])]
    assert len(shared) == len(small) < len(large)
    pd.testing.assert_frame_equal(
        small[key].sort_values(key, ignore_index=True), shared[key].sort_values(key, ignore_index=True), rtol=1e-5
    )


def test_scores_do_not_depend_on_the_shard(few, scored):
    whole = scored(few)
    parts = pd.concat([scored(few, classes=[class_id]) for class_id in SHAPES], ignore_index=True)
    pd.testing.assert_frame_equal(parts, whole)


# ---------------------------------------------------------------- crops by a teacher


def loss_of(home: Path, pictures: Pictures, row: int, box, label: int) -> float:
    """Cross-entropy of the teacher for one crop, from the file."""
    top, left, height, width = box
    pixels = pictures.pixels(row)[top : top + height, left : left + width].astype(np.float32) / 255
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    small = F.interpolate(image, (SIDE // 2, SIDE // 2), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    canvas = torch.zeros(1, 3, SIDE, SIDE)
    margin = SIDE // 4
    canvas[:, :, margin:-margin, margin:-margin] = (small - mean) / std
    with torch.no_grad():
        logits = load_teacher(home / "teacher", list(SHAPES))(canvas)
    return F.cross_entropy(logits.double(), torch.tensor([label])).item()


def test_the_best_of_each_images_own_crops_is_kept_with_its_loss(home, few):
    found = cropped(home, few, images=100)
    assert found["image_id"].is_unique
    assert len(found) == 11
    for patch in found.to_dict("records"):
        height, width = few.pixels(patch["row"]).shape[:2]
        drawn = random_crop_boxes(height, width, 4, (0.1, 0.8), torch_rng(0, "crops", "toy", patch["image_id"]))
        label = list(SHAPES).index(patch["class_id"])
        losses = [loss_of(home, few, patch["row"], box, label) for box in drawn]
        best = int(np.argmin(losses))
        assert [patch[side] for side in BOX] == drawn[best].tolist()
        assert patch["score"] == pytest.approx(-losses[best], rel=1e-3, abs=1e-5)


def test_a_few_random_images_are_cropped(home, few):
    found = cropped(home, few, images=3)
    for class_id, rows in found.groupby("class_id"):
        ids = few.images.loc[few.rows_of(class_id), "image_id"].tolist()
        assert set(rows["image_id"]) == {ids[i] for i in random_order(ids, 0, "toy")[:3]}
        assert len(rows) == 3


def test_a_probability_that_underflows_still_gives_a_score_that_can_be_ranked(home, few, monkeypatch):
    monkeypatch.setattr(TeacherScore, "losses", lambda self, logits, labels: torch.full((len(labels),), torch.inf))
    found = cropped(home, few, images=100)
    assert np.isfinite(found["score"]).all()
    assert (found["score"] < -1e30).all()


def test_more_crops_never_score_worse(home, few):
    one, four = (cropped(home, few, crops=n, images=100).set_index("image_id")["score"] for n in (1, 4))
    assert (four[one.index] >= one - 1e-6).all()
    assert (four[one.index] > one + 1e-3).any()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.75, 1.0])
def test_how_often_the_teacher_recognises_the_crops_is_said_with_a_warning_near_chance(
    home, few, monkeypatch, capsys, share
):
    """Two classes; a guess reaches one half of 200 crops, and 57 % once in about forty times."""
    stream = iter(np.random.default_rng(0).permutation(200) < share * 200)
    rows = dict(zip(SHAPES, range(2), strict=True))

    class Judge(torch.nn.Module):
        """Right for this share of the crops; which class it is shown follows from the order of the classes."""

        def __init__(self):
            super().__init__()
            self.weight, self.shown = torch.nn.Parameter(torch.zeros(1)), 0

        def forward(self, images):
            label = rows["01"] if self.shown < 100 else rows["NA"]
            self.shown += len(images)
            called = [label if next(stream) else 1 - label for _ in images]
            return F.one_hot(torch.tensor(called), 2).float()

    monkeypatch.setattr("retort.stages.shared.score_crops.load_teacher", lambda *paths: Judge())
    cropped(home, few, crops=20)
    said = capsys.readouterr().out
    assert f"the teacher recognises {share:.3f} of 200 crops of real images at {SIDE // 2} px" in said
    assert ("warning: that is what a guess among 2 classes reaches" in said) == (share <= 0.5)
    assert ("Take compose.grid: 1, a larger compose.score.area" in said) == (share <= 0.5)


def test_crops_follow_seed_and_data_set_and_not_the_threads(home, few):
    usual = cropped(home, few, images=100).set_index("image_id").sort_index()
    again = cropped(home, few, images=100, threads=1).set_index("image_id").sort_index()
    pd.testing.assert_frame_equal(again, usual)
    for change in ({"seed": 1}, {"dataset": "other"}):
        other = cropped(home, few, images=100, **change).set_index("image_id").sort_index()
        assert (other[BOX] != usual[BOX]).any(axis=1).mean() > 0.7


def test_crops_have_the_area_that_is_asked_for(home, few):
    found = cropped(home, few, images=100, area=(0.2, 0.3))
    sizes = few.images.loc[found["row"], ["width", "height"]].prod(axis=1).to_numpy()
    side = np.sqrt(np.outer(sizes, [0.2, 0.3]))
    assert (found["width"].to_numpy() >= side[:, 0] - 0.5).all()
    assert (found["width"].to_numpy() <= side[:, 1] + 0.5).all()


# ---------------------------------------------------------------- windows by typicality


def test_windows_of_an_image_at_the_encoders_size_are_those_of_its_map(home, few):
    """Image f of class 01 is square and of 16 pixels: nothing is scaled and nothing cut off."""
    found = windowed(home, few, keep=1000)
    rows = found[found["image_id"] == "01/f.png"]
    maps, image = read(home / "maps.safetensors"), rows["row"].iloc[0]
    own = maps["maps/01"][maps["rows/01"].tolist().index(image)]
    expected = best_windows(window_means(torch.from_numpy(own)[None], (16, 16), (4, 4)), (4, 4), 3)
    assert rows[BOX].to_numpy().tolist() == expected.boxes.tolist()
    np.testing.assert_allclose(rows["score"], expected.value, rtol=1e-6)


def test_windows_are_scaled_and_moved_to_the_centred_square_of_their_file(home, few):
    """Every image has the same map, so its windows lie at the same places of its centred square."""
    flat = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    tensors = {}
    for class_id in few.classes:
        rows = few.rows_of(class_id)
        tensors |= {f"maps/{class_id}": np.stack([flat] * len(rows)), f"rows/{class_id}": np.array(rows)}
    write_tensors(home / "flat.safetensors", tensors)
    found = windowed(home, few, home / "flat.safetensors", keep=1000)
    (_, expected), *_ = ((i, g) for i, g in found.groupby("image_id") if i == "01/f.png")
    expected = expected[BOX].to_numpy()
    for image_id, rows in found.groupby("image_id"):
        width, height = SHAPES[image_id[:2]][image_id[3]]
        scale = min(width, height) / SIDE
        margin = np.array([(height - min(width, height)) / 2, (width - min(width, height)) / 2])
        boxes = rows[BOX].to_numpy()
        assert np.abs(boxes[:, :2] - (expected[:, :2] * scale + margin)).max() <= 1
        assert np.abs(boxes[:, 2:] - expected[:, 2:] * scale).max() <= 0.5


def test_windows_are_the_most_typical_places(home, few):
    """One hot cell, in the lower left corner of the square that the encoder saw of the 50 x 20 image."""
    tensors = {}
    for class_id in few.classes:
        rows = few.rows_of(class_id)
        maps = np.zeros((len(rows), 8, 8), dtype=np.float32)
        if class_id == "01":
            maps[3, 7, 0] = 1.0
        tensors |= {f"maps/{class_id}": maps, f"rows/{class_id}": np.array(rows)}
    write_tensors(home / "hot.safetensors", tensors)
    best = windowed(home, few, home / "hot.safetensors").iloc[0]
    assert best["image_id"] == "01/d.png"
    assert best[BOX].tolist() == [15, 15, 5, 5]  # the square is 20 pixels wide and begins at 15


def test_no_more_windows_than_asked_for_by_image_and_by_class(home, few):
    found = windowed(home, few, per_image=2, keep=7)
    assert found.groupby("class_id").size().tolist() == [7, 7]
    assert found.groupby("image_id").size().max() <= 2
    every = windowed(home, few, per_image=2, keep=1000)
    assert every.groupby("image_id").size().tolist() == [2] * 11
    top = every.groupby("class_id").head(7).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, top)


def test_windows_of_an_image_do_not_touch(home, few):
    found = windowed(home, few, keep=1000)
    for _, rows in found[found["image_id"].isin(["01/f.png", "01/c.png"])].groupby("image_id"):
        boxes = rows[BOX].to_numpy()
        for i, (top, left, height, width) in enumerate(boxes):
            for other_top, other_left, *_ in boxes[:i]:
                assert abs(top - other_top) > height or abs(left - other_left) > width


@pytest.mark.parametrize(("window", "size"), [(0.01, 1), (0.1, 2), (0.5, 8), (1.0, 16)])
def test_the_window_is_a_share_of_the_side(home, few, window, size):
    found = windowed(home, few, window=window, per_image=1)
    assert found.loc[found["image_id"] == "01/f.png", ["height", "width"]].to_numpy().tolist() == [[size, size]]


# ---------------------------------------------------------------- the table


def test_the_table_is_read_as_it_was_written(home, few):
    members = few.images.loc[few.rows_of("NA")]
    boxes, scores = np.arange(20).reshape(5, 4), np.float32([1.5, 0.1, -2, -3e-9, -np.inf])
    frame = ranked_rows("NA", members, boxes, scores, np.array([0, 1, 0, 2, 1]))
    write_patches([frame, frame.assign(class_id="01")], str(home / "table.csv"))
    found = read_patches(str(home / "table.csv"))
    assert list(found.columns) == COLUMNS
    assert found["class_id"].tolist() == ["NA"] * 5 + ["01"] * 5
    assert found["rank"].tolist() == [0, 1, 2, 3, 4] * 2
    np.testing.assert_array_equal(found[BOX], np.concatenate([boxes, boxes]))
    np.testing.assert_array_equal(np.float32(found["score"]), np.concatenate([scores, scores]))
    assert found["image_id"].tolist() == members["image_id"].tolist() * 2


def test_a_patch_of_its_own_size_is_cut_pixel_by_pixel(home, few):
    members = few.images.loc[few.rows_of("01")[:3]]
    boxes = np.array([[3, 20, 8, 8], [30, 1, 8, 8], [24, 24, 8, 8]])
    table = ranked_rows("01", members, boxes, np.zeros(3), -1)
    expected = [few.pixels(r)[t : t + 8, c : c + 8] for r, (t, c, *_) in zip(members["row"], boxes, strict=True)]
    found = cut(table, few, 8, threads=2)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found, np.float32(np.stack(expected)).transpose(0, 3, 1, 2) / np.float32(255))


def test_patches_keep_their_order_and_may_share_an_image(few):
    rows = few.rows_of("01")
    members = few.images.loc[[rows[2], rows[0], rows[2], rows[1]]]
    boxes = np.array([[0, 0, 16, 16], [4, 4, 20, 20], [8, 9, 10, 10], [0, 0, 24, 24]])
    table = ranked_rows("01", members, boxes, np.zeros(4), -1)
    together = cut(table, few, 12, threads=2)
    alone = [cut(table.iloc[i : i + 1], few, 12) for i in range(4)]
    assert torch.equal(together, torch.cat(alone))
    assert len(torch.unique(together.flatten(1), dim=0)) == 4


def test_no_patches_are_cut_from_nothing(few):
    none = ranked_rows("01", few.images.iloc[:0], np.zeros((0, 4), int), np.zeros(0), -1)
    assert list(cut_patches(none, few.images["path"], 8, 1)) == []


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
