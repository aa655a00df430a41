"""Patches and their scores: boxes in the files' own pixels, seeded by image."""

import re
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
from tests.helpers.tiny_models import SIDE, Pictures, read
from torch.nn import functional as F

from retort.artifacts.patches import BOX, COLUMNS, cut_patches, ranked_rows, read_patches, write_patches
from retort.base.seeds import torch_rng
from retort.base.tensors import write_tensors
from retort.data import streams
from retort.methods.mosaics import random_crop_boxes
from retort.methods.selection import random_order
from retort.methods.windows import best_windows, window_means
from retort.models.teacher import load_teacher
from retort.parts.scores.teacher import TeacherScore
from retort.stages.shared.score_crops import _say


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
    assert (
        bool(re.search(r"warning: the teacher recognises .* px, near the 0.5 that a guess among 2 classes", said))
    ) == (share <= 0.5)
    assert ("Take compose.grid: 1, a larger compose.score.area" in said) == (share <= 0.5)


@pytest.mark.parametrize(
    ("hits", "seen", "classes", "warned"),
    [
        (1815, 15_000, 10, True),  # more than a guess gets by luck, as of Fashion-MNIST's quarters, and still no use
        (2700, 15_000, 10, True),
        (3000, 15_000, 10, False),
        (200, 15_000, 1000, True),
        (4000, 15_000, 1000, False),
        (3, 10, 10, True),  # three of ten may be luck
    ],
)
def test_a_few_more_than_a_guess_gets_are_near_chance_too(capsys, hits, seen, classes, warned):
    _say(hits, seen, classes, 16)
    said = capsys.readouterr().out
    assert ("neither its normalisation nor its class order is the cause" in said) == warned


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
