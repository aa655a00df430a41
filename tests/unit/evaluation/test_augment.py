"""Colours, patches and blends of views; their parity with the reference codes is tests/parity/test_eval_protocol.py."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retort.evaluation.augment import apply_views, lights, shuffle_patches, tinted
from retort.evaluation.views import Views, ViewSettings, plan_views

WORDS = (0, "views", "toy", "shared")
PLAIN = ViewSettings(batch=6, crop=(0.5, 1.0), flip=True, cutmix=1.0, steps=10)
EVERYTHING = replace(PLAIN, jitter=0.4, lighting=0.1, shuffle=2)


def images(n: int = 6, side: int = 16) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def whole(n: int, **more) -> Views:
    """Views that do nothing but what is said."""
    boxes = np.tile(np.float32([0, 0, 1, 1]), (n, 1))
    none = np.zeros(4, dtype=np.int16)
    return Views(np.arange(n), boxes, np.zeros(n, dtype=bool), np.arange(n)[::-1].copy(), none, **more)


def test_what_is_added_to_the_plan_changes_none_of_the_other_draws():
    """Sets without these augmentations keep the views that they had before there were any."""
    plain, more = (plan_views(settings, 9, 16, 3, WORDS) for settings in (PLAIN, EVERYTHING))
    for name in ("rows", "boxes", "flips", "partners", "cut"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(more, name))
    assert (plain.strips, plain.tints, plain.tint_order, plain.lights, plain.blend) == (None, None, None, None, 1.0)


def test_plans_have_the_arrays_that_the_settings_announce():
    for settings in (PLAIN, EVERYTHING, replace(PLAIN, cutmix=0.0, mixup=0.8)):
        planned = plan_views(settings, 9, 16, 3, WORDS)
        announced = {name: ((6, *shape), dtype) for name, (shape, dtype) in settings.arrays().items()}
        announced |= settings.step_arrays()
        found = {name: np.asarray(v) for name, v in vars(planned).items() if v is not None and name in announced}
        assert {name: (array.shape, array.dtype.name) for name, array in found.items()} == announced
        assert not {n for n, v in vars(planned).items() if v is not None} - set(announced) - {"blend"}


def test_draws_spread_over_their_ranges():
    planned = [plan_views(replace(EVERYTHING, shuffle=3), 9, 16, step, WORDS) for step in range(300)]
    tints, lit = (np.concatenate([getattr(p, name) for p in planned]) for name in ("tints", "lights"))
    assert -0.4 <= tints.min() < -0.39
    assert 0.39 < tints.max() <= 0.4
    assert lit.std() == pytest.approx(0.1, rel=0.05)
    orders = {tuple(o) for p in planned for o in p.tint_order}
    strips = {tuple(o) for p in planned for view in p.strips for o in view}
    assert len(orders) == len(strips) == 6  # every order of three


def test_patches_are_moved_whole_and_each_once():
    """An image whose pixels carry the number of their patch."""
    numbers = torch.arange(9).view(3, 3).repeat_interleave(4, 0).repeat_interleave(4, 1)
    shown = numbers.float().expand(2, 3, 12, 12)
    shuffled = shuffle_patches(shown, torch.tensor([[[2, 0, 1], [1, 2, 0]], [[0, 1, 2], [0, 1, 2]]]))
    expected = torch.tensor([[5, 3, 4], [8, 6, 7], [2, 0, 1]]).repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert torch.equal(shuffled[0, 0], expected.float())
    assert torch.equal(shuffled[1], shown[1])


def test_a_mosaic_that_does_not_divide_is_cut_and_brought_back_to_its_side():
    orders = np.tile(np.arange(3, dtype=np.int8), (6, 2, 1))
    assert apply_views(images(side=16), whole(6, strips=orders)).shape == (6, 3, 16, 16)


def test_strength_one_reaches_black_mean_grey_and_own_grey():
    shown, ones = images(3), torch.tensor([[1.0, 0, 0]] * 3)
    orders = torch.tensor([[0, 1, 2], [1, 0, 2], [2, 0, 1]])
    moved = (tinted(shown, orders, ones) + 1) / 2
    grey = ((shown + 1) / 2 * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1)
    torch.testing.assert_close(moved[0], torch.zeros(3, 16, 16), atol=1e-6, rtol=0)
    torch.testing.assert_close(moved[1], grey[1].mean().expand(3, 16, 16), atol=1e-6, rtol=0)
    torch.testing.assert_close(moved[2], grey[2].expand(3, 16, 16), atol=1e-6, rtol=0)


def test_no_strength_changes_nothing():
    shown, orders = images(3), np.tile(np.arange(3, dtype=np.int8), (3, 1))
    still = whole(3, tint_order=orders, tints=np.zeros((3, 3), np.float32), lights=np.zeros((3, 3), np.float32))
    torch.testing.assert_close(apply_views(shown, still), shown, atol=1e-5, rtol=0)


def test_lighting_shifts_every_pixel_of_an_image_alike():
    shown, strengths = images(2), np.array([[0.3, -0.2, 0.1], [0, 0, 0]], np.float32)
    lit = apply_views(shown, whole(2, lights=strengths))
    shift = (lit - shown).flatten(2)
    torch.testing.assert_close(shift.std(dim=2), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(shift.mean(dim=2), lights(torch.from_numpy(strengths))[..., 0, 0], atol=1e-5, rtol=0)
    assert shift[0].abs().min() > 1e-3


def test_mixup_blends_with_the_partner_and_kept_says_how_much():
    shown = images(2)
    blended = whole(2, blend=0.25)
    torch.testing.assert_close(apply_views(shown, blended), 0.25 * shown + 0.75 * shown.flip(0), atol=1e-5, rtol=0)
    assert blended.kept(16) == 0.25
