"""Augmented views: crops, flips, CutMix, and the stream of shuffled epochs that they are drawn from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as TF

from retort.evaluation.augment import apply_views, shuffle_patches
from retort.evaluation.views import Views, ViewSettings, crop_boxes, cutmix_box, plan_views
from retort.models.pixels import to_images, to_pixels

WORDS = (0, "views", "toy", "shared")
FULL = (1.0, 1.0)


def settings(**changes) -> ViewSettings:
    return ViewSettings(**{"batch": 4, "crop": FULL, "flip": False, "cutmix": 0.0, "steps": 10} | changes)


def images(n: int, side: int = 16) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def one_view(box=(0, 0, 1, 1), flip=False, cut=(0, 0, 0, 0), partners=(0,)) -> Views:
    n = len(partners)
    return Views(
        np.arange(n, dtype=np.int32),
        np.array([box] * n, dtype=np.float32),
        np.array([flip] * n),
        np.array(partners, dtype=np.int32),
        np.array(cut, dtype=np.int16),
    )


def stream(views: ViewSettings, count: int, steps: int) -> np.ndarray:
    return np.concatenate([plan_views(views, count, 16, step, WORDS).rows for step in range(steps)])


# ---------------------------------------------------------------- crops


@pytest.mark.parametrize("area", [(0.08, 1.0), (0.25, 0.5), (0.5, 0.5)])
def test_crop_boxes_lie_inside_the_image_with_area_and_ratio_in_range(area):
    top, left, height, width = crop_boxes(np.random.default_rng(0), 5000, area).astype(np.float64).T
    assert min(top.min(), left.min()) >= 0
    assert max((top + height).max(), (left + width).max()) <= 1 + 1e-6
    areas, ratios = height * width, width / height
    assert area[0] - 1e-6 <= areas.min() <= areas.max() <= area[1] + 1e-6
    assert 3 / 4 - 1e-6 <= ratios.min() <= ratios.max() <= 4 / 3 + 1e-6


def test_crop_boxes_spread_over_their_whole_range():
    top, left, height, width = crop_boxes(np.random.default_rng(0), 5000, (0.25, 0.5)).T
    areas, ratios = height * width, width / height
    assert areas.mean() == pytest.approx(0.375, abs=0.01)
    assert np.log(ratios).mean() == pytest.approx(0, abs=0.02)
    assert ratios.min() < 0.78
    assert ratios.max() > 1.29
    for place, size in ((top, height), (left, width)):
        share = place / (1 - size)
        assert share.mean() == pytest.approx(0.5, abs=0.02)
        assert share.min() < 0.02
        assert share.max() > 0.98


def test_a_crop_of_the_whole_area_is_the_whole_image():
    np.testing.assert_array_equal(crop_boxes(np.random.default_rng(0), 100, FULL), [[0, 0, 1, 1]] * 100)


@pytest.mark.parametrize("side", [8, 15, 32])
def test_a_full_crop_without_flip_or_cutmix_is_the_identity(side):
    pixels = images(6, side)
    planned = plan_views(settings(batch=6), 6, side, 0, WORDS)
    shown = apply_views(pixels[planned.rows], planned)
    torch.testing.assert_close(shown, pixels[planned.rows], rtol=0, atol=1e-5)


@pytest.mark.parametrize("box", [(0, 0, 16, 16), (3, 5, 9, 12)])
def test_a_flip_mirrors_left_to_right_exactly(box):
    pixels = images(3)
    box = np.array(box) / 16
    straight = apply_views(pixels, one_view(box, partners=(0, 1, 2)))
    mirrored = apply_views(pixels, one_view(box, flip=True, partners=(0, 1, 2)))
    torch.testing.assert_close(mirrored, straight.flip(3), rtol=0, atol=1e-5)


def test_flips_come_half_the_time_and_never_when_off():
    def flips(on: bool) -> np.ndarray:
        return np.concatenate([plan_views(settings(flip=on, batch=50), 50, 16, s, WORDS).flips for s in range(40)])

    assert flips(True).mean() == pytest.approx(0.5, abs=0.04)
    assert not flips(False).any()


@pytest.mark.parametrize(("top", "left", "height", "width"), [(0, 0, 10, 12), (4, 6, 8, 10), (6, 4, 10, 12)])
def test_a_crop_equals_torchvisions_resized_crop(top, left, height, width):
    pixels = images(2)
    ours = apply_views(pixels, one_view(np.array([top, left, height, width]) / 16, partners=(0, 1)))
    theirs = TF.resized_crop(pixels, top, left, height, width, [16, 16], antialias=False)
    # At a cut inside the image torchvision repeats the last row of the crop, while ours still sees its neighbour.
    inner = (..., slice(0 if top == 0 else 1, 15), slice(0 if left == 0 else 1, 15))
    torch.testing.assert_close(ours[inner], theirs[inner], rtol=0, atol=1e-5)


# ---------------------------------------------------------------- crops of larger images


LARGER = {"side": 32, "crop": (0.3, 1.0), "flip": True}  # of images of 40 pixels


def test_boxes_of_larger_images_are_whole_pixels_as_torchvisions_are():
    boxes = crop_boxes(np.random.default_rng(0), 4000, (0.3, 1.0), pixels=40).astype(np.float64) * 40
    np.testing.assert_allclose(boxes, boxes.round(), atol=1e-4)
    top, left, height, width = boxes.round().T
    assert top.min() == left.min() == 0
    assert (top + height).max() == (left + width).max() == 40
    areas, ratios = height * width / 1600, width / height
    assert 0.27 < areas.min() < 0.31
    assert areas.max() == 1
    assert 3 / 4 - 0.04 < ratios.min() < ratios.max() < 4 / 3 + 0.06
    for corner, size in ((top, height), (left, width)):
        half = (size >= 30) & (size <= 32)
        counts = np.bincount((corner[half & (size == 31)]).astype(int), minlength=10)
        assert len(counts) == 10  # 40 - 31 + 1 places
        assert counts.min() > 0.5 * counts.mean()  # each as likely as the next


def test_boxes_of_larger_images_are_distributed_as_torchvisions():
    """Means and spreads of 6,000 boxes of RandomResizedCrop.get_params, to four standard errors."""
    torch.manual_seed(0)
    image = torch.zeros(3, 40, 40)
    theirs = np.array([RandomResizedCrop.get_params(image, (0.3, 1.0), (3 / 4, 4 / 3)) for _ in range(6000)])
    ours = crop_boxes(np.random.default_rng(0), 6000, (0.3, 1.0), pixels=40) * 40
    error = 4 * np.sqrt((theirs.var(axis=0) + ours.var(axis=0)) / 6000)
    assert (abs(theirs.mean(axis=0) - ours.mean(axis=0)) < error).all()
    np.testing.assert_allclose(theirs.std(axis=0), ours.std(axis=0), rtol=0.06)


@pytest.mark.parametrize(("whole", "side"), [(256, 224), (40, 32), (33, 32), (48, 16)])
@pytest.mark.parametrize("flip", [False, True])
def test_a_crop_of_a_larger_image_equals_torchvisions_resized_crop(whole, side, flip):
    """Antialiased, at every place, edges included: the same pixels to a hundredth of a grey level."""
    pixels, rng = images(2, whole), np.random.default_rng(side)
    for box in [(0, 0, whole, whole), *(tuple(whole_box(rng, whole)) for _ in range(8))]:
        view = replace(one_view(np.array(box) / whole, flip=flip, partners=(0, 1)), side=side)
        exact = TF.resized_crop(pixels.double(), *box, [side, side], antialias=True)
        theirs = TF.resized_crop(pixels, *box, [side, side], antialias=True)
        ours, exact, theirs = (apply_views(pixels, view), *(t.flip(3) if flip else t for t in (exact, theirs)))
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, exact.float(), rtol=0, atol=2e-6)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def whole_box(rng: np.random.Generator, whole: int) -> list[int]:
    height, width = rng.integers(whole // 4, whole + 1, 2).tolist()
    return [int(rng.integers(0, whole - height + 1)), int(rng.integers(0, whole - width + 1)), height, width]


@pytest.mark.parametrize("box", [(0, 0, 256, 256), (3, 17, 240, 201), (100, 40, 130, 150)], ids=str)
def test_a_crop_of_pixels_is_that_of_a_pil_image_to_a_grey_level(box):
    """PIL rounds to whole grey levels twice, after each axis."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    top, left, height, width = box
    crop = Image.fromarray(pixels).crop((left, top, left + width, top + height))
    theirs = np.asarray(crop.resize((224, 224), Image.Resampling.BILINEAR)).astype(int)
    view = replace(one_view(np.array(box) / 256), side=224)
    ours = to_pixels(apply_views(to_images(pixels[None]), view))[0].astype(int)
    assert abs(ours - theirs).max() <= 1


def test_views_of_larger_images_are_mixed_in_their_own_pixels():
    planned = plan_views(settings(batch=6, cutmix=1.0, **LARGER), 6, 40, 5, WORDS)
    assert planned.cut.max() <= 32
    shown = apply_views(images(6, 40)[planned.rows], planned)
    assert shown.shape == (6, 3, 32, 32)
    alone = apply_views(images(6, 40)[planned.rows], replace(planned, cut=np.zeros(4, dtype=np.int16)))
    top, bottom, left, right = map(int, planned.cut)
    pasted = torch.zeros(32, 32, dtype=torch.bool)
    pasted[top:bottom, left:right] = True
    assert 0 < pasted.sum() < 1024
    assert torch.equal(shown[..., ~pasted], alone[..., ~pasted])
    assert torch.equal(shown[..., pasted], alone[planned.partners.astype(int)][..., pasted])
    assert planned.kept(32) == pytest.approx(1 - pasted.double().mean().item())


def test_patches_of_larger_images_are_shuffled_before_they_are_cropped():
    """As CaO2's code: three patches of 40 pixels leave 39, whose whole pixels are cropped."""
    planned = plan_views(settings(batch=6, shuffle=3, **LARGER), 6, 40, 0, WORDS)
    boxes = planned.boxes.astype(np.float64) * 39
    np.testing.assert_allclose(boxes, boxes.round(), atol=1e-4)
    shown = apply_views(images(6, 40), planned)
    mosaics = shuffle_patches(images(6, 40), torch.from_numpy(planned.strips))
    assert mosaics.shape[-1] == 39
    for n, (box, flip) in enumerate(zip(boxes.round().astype(int).tolist(), planned.flips, strict=True)):
        theirs = TF.resized_crop(mosaics[n], *box, [32, 32], antialias=True)
        torch.testing.assert_close(shown[n], theirs.flip(2) if flip else theirs, rtol=0, atol=1e-4)


def test_views_as_large_as_the_images_are_what_they_were_without_a_side():
    for views in (settings(cutmix=1.0, crop=(0.3, 1.0), flip=True), settings(crop=(0.3, 1.0), shuffle=3)):
        plain, sided = (plan_views(v, 6, 16, 3, WORDS) for v in (views, replace(views, side=16)))
        for name in ("rows", "boxes", "flips", "partners", "cut", "strips"):
            np.testing.assert_array_equal(getattr(plain, name), getattr(sided, name))
        assert torch.equal(apply_views(images(4), plain), apply_views(images(4), sided))


# ---------------------------------------------------------------- the stream


@pytest.mark.parametrize(("count", "batch"), [(10, 4), (7, 3), (5, 5), (3, 8), (1, 4)])
@pytest.mark.parametrize("mode", ["steps", "epochs"])
def test_every_epoch_shows_every_image_exactly_once(mode, count, batch):
    epochs = 6
    if mode == "epochs":
        views = settings(steps=None, epochs=epochs, batch=batch)
        steps = views.total_steps(count)
    else:
        steps = count * epochs  # enough for at least `epochs` epochs' worth of views
        views = settings(steps=steps, batch=batch)
    rows = stream(views, count, steps)
    whole = len(rows) // count
    assert whole >= epochs
    orders = rows[: whole * count].reshape(whole, count)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(count), (whole, 1)))
    if mode == "epochs":
        assert len(rows) == epochs * count


EQUAL = {"steps": None, "updates": 23, "batch": 8, "crop": (0.5, 1.0), "flip": True, "cutmix": 1.0}


@pytest.mark.parametrize("count", [1, 3, 8, 10, 57, 500])
def test_sets_of_any_size_have_the_same_number_of_updates_and_views(count):
    views, end = settings(**EQUAL), 0
    assert (views.total_steps(count), views.total_views(count), views.batch_of(count)) == (23, 184, 8)
    assert views.all_alike(count)
    for step in range(23):
        planned = plan_views(views, count, 16, step, WORDS)
        assert views.extent(count, step) == (end, end + 8)
        assert len(planned.rows) == len(planned.boxes) == 8
        assert sorted(planned.partners) == list(range(8))
        assert views.schedule_position(count, step) == (step, 23)
        end += 8
    seen = np.bincount(stream(views, count, 23), minlength=count)
    assert seen.sum() == 184
    assert seen.max() - seen.min() <= 1  # epochs follow: no image is seen twice more often than another


def test_views_of_a_small_batch_are_those_of_steps_and_only_the_length_is_called_otherwise():
    by_steps, by_updates = settings(**EQUAL | {"steps": 23, "updates": None}), settings(**EQUAL)
    for step in (0, 7, 22):
        one, other = (plan_views(views, 20, 16, step, WORDS) for views in (by_steps, by_updates))
        assert same(one, other)
    assert by_steps.total_views(5) == 23 * 5  # of a set that is smaller than the batch
    assert settings(steps=None, epochs=3, batch=4).total_views(10) == 30


def test_each_epoch_has_its_own_order():
    orders = stream(settings(steps=None, epochs=5, batch=20), 20, 5).reshape(5, 20)
    assert len({tuple(order) for order in orders}) == 5


@pytest.mark.parametrize(("count", "batch"), [(10, 4), (7, 3), (3, 8)])
@pytest.mark.parametrize("length", [{"steps": 23}, {"steps": None, "epochs": 5}])
def test_extents_are_contiguous_and_as_long_as_their_step(length, count, batch):
    views, end = settings(batch=batch, **length), 0
    for step in range(views.total_steps(count)):
        first, after = views.extent(count, step)
        assert first == end
        assert 1 <= after - first <= min(batch, count)
        assert len(plan_views(views, count, 16, step, WORDS).rows) == after - first
        end = after
    assert end == (23 * min(batch, count) if length["steps"] else 5 * count)


@pytest.mark.parametrize("length", [{"steps": 9}, {"steps": None, "epochs": 9}])
def test_a_batch_never_exceeds_the_number_of_images(length):
    views = settings(batch=64, **length)
    assert views.batch_of(5) == 5
    assert [len(plan_views(views, 5, 16, step, WORDS).rows) for step in range(9)] == [5] * 9


def test_epochs_of_a_batch_that_does_not_divide_end_with_a_short_step():
    views = settings(steps=None, epochs=2, batch=4)
    sizes = [len(plan_views(views, 10, 16, step, WORDS).rows) for step in range(views.total_steps(10))]
    assert sizes == [4, 4, 2, 4, 4, 2]


def test_the_learning_rate_moves_by_step_or_by_epoch():
    assert settings(steps=30).schedule_position(10, 7) == (7, 30)
    by_epoch = settings(steps=None, epochs=5, batch=4)  # three steps an epoch
    assert [by_epoch.schedule_position(10, step) for step in (0, 2, 3, 14)] == [(0, 5), (0, 5), (1, 5), (4, 5)]


# ---------------------------------------------------------------- the plan


def same(one: Views, other: Views) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def test_a_plan_depends_on_the_words_and_the_step_only():
    views = settings(crop=(0.5, 1.0), flip=True, cutmix=1.0, steps=100)
    last = plan_views(views, 10, 16, 7, WORDS)
    for step in range(10):  # other steps planned meanwhile change nothing
        plan_views(views, 10, 16, step, WORDS)
    np.random.seed(5)  # noqa: NPY002 - the global generators must not matter
    torch.manual_seed(5)
    assert same(plan_views(views, 10, 16, 7, WORDS), last)
    assert same(plan_views(settings(crop=(0.5, 1.0), flip=True, cutmix=1.0, steps=999), 10, 16, 7, WORDS), last)


def test_other_words_or_another_step_give_another_plan():
    views = settings(crop=(0.5, 1.0), flip=True, cutmix=1.0, steps=100, batch=10)
    base = plan_views(views, 10, 16, 7, WORDS)
    for other in (plan_views(views, 10, 16, 8, WORDS), plan_views(views, 10, 16, 7, (1, *WORDS[1:]))):
        assert not np.array_equal(other.rows, base.rows)
        assert not np.array_equal(other.boxes, base.boxes)
        assert not np.array_equal(other.partners, base.partners)


# ---------------------------------------------------------------- CutMix


@pytest.mark.parametrize("cut", [(2, 9, 3, 16), (0, 16, 0, 16), (5, 6, 7, 8)])
def test_cutmix_pastes_exactly_the_box_and_kept_is_the_share_of_untouched_pixels(cut):
    pixels = torch.stack([torch.full((3, 16, 16), float(i)) for i in range(3)])  # image i is i everywhere
    planned = one_view(cut=cut, partners=(2, 0, 1))
    mixed = apply_views(pixels, planned)
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[cut[0] : cut[1], cut[2] : cut[3]] = True
    for view, partner in enumerate((2, 0, 1)):
        torch.testing.assert_close(mixed[view], torch.where(inside, float(partner), float(view)).expand(3, 16, 16))
        untouched = (mixed[view, 0] == view).double().mean().item()
        assert planned.kept(16) == pytest.approx(untouched)


def test_the_pasted_region_shows_the_partner_as_cropped_and_flipped_itself():
    pixels = images(2)
    boxes = np.array([[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5]], dtype=np.float32)
    flips, partners = np.array([False, True]), np.array([1, 0], dtype=np.int32)
    planned = Views(np.arange(2), boxes, flips, partners, np.array([4, 10, 0, 16], dtype=np.int16))
    alone = apply_views(pixels, Views(np.arange(2), boxes, flips, partners, np.zeros(4, dtype=np.int16)))
    mixed = apply_views(pixels, planned)
    torch.testing.assert_close(mixed[0, :, 4:10], alone[1, :, 4:10], rtol=0, atol=0)
    torch.testing.assert_close(mixed[0, :, 10:], alone[0, :, 10:], rtol=0, atol=0)


def test_without_cutmix_nothing_is_pasted_and_all_is_kept():
    planned = plan_views(settings(cutmix=0.0), 4, 16, 0, WORDS)
    assert not planned.cut.any()
    assert planned.kept(16) == 1


def test_a_cutmix_box_has_the_share_that_is_not_kept_unless_clipped():
    top, bottom, left, right = cutmix_box(32, 32, 0.75, 16, 16)  # half the side, a quarter of the area
    assert (top, bottom, left, right) == (8, 24, 8, 24)
    assert cutmix_box(32, 32, 0.75, 0, 31) == (0, 8, 23, 32)


def test_planned_cutmix_boxes_lie_inside_the_image_and_partners_are_a_permutation():
    views = settings(cutmix=1.0, steps=200)
    kept = []
    for step in range(200):
        planned = plan_views(views, 9, 16, step, WORDS)
        top, bottom, left, right = map(int, planned.cut)
        assert 0 <= top <= bottom <= 16
        assert 0 <= left <= right <= 16
        assert sorted(planned.partners) == list(range(len(planned.rows)))
        kept.append(planned.kept(16))
    assert min(kept) < 0.3  # boxes of all sizes come up
    assert max(kept) > 0.95


def test_applying_views_leaves_the_images_as_they_were():
    pixels = images(2)
    before = pixels.clone()
    apply_views(pixels, one_view(cut=(2, 9, 3, 12), partners=(1, 0)))
    assert torch.equal(pixels, before)
