"""Crops, their choice by the teacher, and mosaics against RDED's reference code."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.parity.closeness import assert_close
from torch import nn

from retort.methods.mosaics import (
    best_crop_per_image,
    crop_losses,
    cut_crops,
    padded,
    random_crop_boxes,
    ranked_by_loss,
    stitch,
    to_uint8_truncated,
)
from retort.models.classifiers import normalised

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
CROPS_WITHIN, LOGITS_WITHIN, LOSSES_WITHIN = 1e-6, 1e-5, 1e-5


@pytest.fixture(scope="module")
def case(parity):
    return parity("rded")


@pytest.fixture(scope="module")
def teacher(case):
    """A network of the layers that the names in its state dict number; all strides 2 and pads 1, as case.json says."""
    weights = load_file(case.folder / "classifier.safetensors")
    (hidden, colours, kernel, _), (width, _, second, _) = weights["0.weight"].shape, weights["2.weight"].shape
    network = nn.Sequential(
        nn.Conv2d(colours, hidden, kernel, 2, 1),
        nn.ReLU(),
        nn.Conv2d(hidden, width, second, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, len(weights["6.weight"])),
    )
    network.load_state_dict(weights)
    return network.eval()


def cases(case, kind):
    found = [facts for facts in case.facts["cases"] if facts["kind"] == kind]
    assert found
    return found


def pool(case, key):
    """(images, crops, 3, c, c) in [0, 1], 0.7 of a grey level above the stored pixels."""
    return (case[f"{key}_crops_u8"].float() + 0.7) / 255


def standardised(images):
    return (images - MEAN) / STD


@torch.inference_mode()
def teacher_losses(case, facts, teacher):
    """Logits (m * n, K), crop by crop, and losses (m, n)."""
    crops = standardised(pool(case, facts["key"])).transpose(0, 1)
    m, n = crops.shape[:2]
    logits = teacher(padded(crops.flatten(0, 1), facts["out_size"]))
    return logits, crop_losses(logits, torch.full((m * n,), facts["class_label"])).view(m, n)


def chosen(losses, count):
    """[image, crop] of the `count` best images."""
    losses = losses.numpy()
    crops = best_crop_per_image(losses)
    images = ranked_by_loss(losses[crops, np.arange(len(crops))])[:count]
    return [[int(i), int(crops[i])] for i in images]


def test_a_seed_draws_the_crop_boxes_of_the_reference(case):
    told = case.facts["tensors"]["cropK_boxes_ijhw"]
    area = (case.number(told, r"scale \(([\d.]+),"), case.number(told, r"scale \([\d.]+, *([\d.]+)\)"))
    for facts in cases(case, "MultiRandomCrop"):
        rng = torch.Generator().manual_seed(facts["torch_seed"])
        boxes = random_crop_boxes(*facts["image_hw"], facts["num_crop"], area, rng)
        np.testing.assert_array_equal(boxes, case[f"{facts['key']}_boxes_ijhw"].numpy())


def test_crops_equal_the_reference(case):
    for facts in cases(case, "MultiRandomCrop"):
        boxes = case[f"{facts['key']}_boxes_ijhw"].numpy()
        crops = cut_crops(case[f"{facts['key']}_image"], boxes, facts["size"] // facts["factor"])
        assert list(crops.shape) == facts["out_shape"]
        torch.testing.assert_close(crops, case[f"{facts['key']}_out"], rtol=0, atol=CROPS_WITHIN)


def test_crops_normalised_for_our_classifiers_equal_the_reference(case):
    """The library's own normalisation starts from [-1, 1]: one rounding more, at standard deviations around 0.22."""
    for facts in cases(case, "MultiRandomCrop"):
        expected = case[f"{facts['key']}_normalized"]
        result = normalised(case[f"{facts['key']}_out"] * 2 - 1)
        torch.testing.assert_close(result, expected, rtol=0, atol=CROPS_WITHIN)


def test_cross_entropy_equals_the_reference_where_probabilities_underflow_too(case):
    losses = crop_losses(case["ce_logits"], case["ce_labels"])
    torch.testing.assert_close(losses, case["ce_values"], rtol=LOSSES_WITHIN / 10, atol=LOSSES_WITHIN)


def test_padded_crops_equal_the_reference(case):
    """The first few in the teacher's batch, which goes crop by crop."""
    for name in case.find(r"(.+)_padded_first(\d+)"):
        side = case[name[0]].shape[-1]
        crops = standardised(pool(case, name[1])).transpose(0, 1).flatten(0, 1)[: int(name[2])]
        assert crops.shape[-1] < side
        torch.testing.assert_close(padded(crops, side), case[name[0]], rtol=0, atol=CROPS_WITHIN)


def test_logits_and_losses_of_padded_crops_equal_the_reference(case, teacher):
    for facts in cases(case, "selector+mix"):
        logits, losses = teacher_losses(case, facts, teacher)
        assert_close(logits, case[f"{facts['key']}_logits_m_major"], LOGITS_WITHIN)
        assert_close(losses, case[f"{facts['key']}_loss_m_by_image"], LOSSES_WITHIN)


def test_the_chosen_crops_equal_the_reference(case, teacher):
    for facts in cases(case, "selector+mix"):
        ours = teacher_losses(case, facts, teacher)[1]
        for losses in (ours, case[f"{facts['key']}_loss_m_by_image"]):
            assert chosen(losses, facts["n"]) == facts["chosen_image_crop"]


def test_the_chosen_crops_hold_the_reference_pixels(case):
    for facts in cases(case, "selector+mix"):
        images, crops = torch.tensor(facts["chosen_image_crop"]).T
        selected = standardised(pool(case, facts["key"])[images, crops])
        torch.testing.assert_close(selected, case[f"{facts['key']}_selected"], rtol=0, atol=CROPS_WITHIN)


def test_mosaics_equal_the_reference_exactly(case):
    for facts in cases(case, "selector+mix"):
        selected = case[f"{facts['key']}_selected"]
        mosaics = stitch(selected, facts["ipc"], facts["factor"], facts["out_size"], "strided")
        torch.testing.assert_close(mosaics, case[f"{facts['key']}_mixed"], rtol=0, atol=0)


def test_pixels_equal_the_reference_exactly(case):
    for facts in cases(case, "selector+mix"):
        expected = case[f"{facts['key']}_uint8"].numpy()
        pixels = to_uint8_truncated(case[f"{facts['key']}_mixed"] * STD + MEAN)
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, expected)


def test_pixels_equal_the_reference_exactly_from_the_pool_on(case, teacher):
    """The whole chain as the library runs it: crops in [0, 1] are never normalised but for the teacher."""
    for facts in cases(case, "selector+mix"):
        images, crops = np.array(chosen(teacher_losses(case, facts, teacher)[1], facts["n"])).T
        patches = pool(case, facts["key"])[images, crops]
        mosaics = stitch(patches, facts["ipc"], facts["factor"], facts["out_size"], "strided")
        np.testing.assert_array_equal(to_uint8_truncated(mosaics), case[f"{facts['key']}_uint8"].numpy())


def test_too_few_patches_are_an_error_where_the_reference_breaks_or_repeats(case):
    (facts,) = cases(case, "pool too small")
    wanted, found = facts["n_requested"], facts["n_available"]
    assert found < wanted
    for factor in (f for f in range(1, wanted + 1) if wanted % f**2 == 0):
        with pytest.raises(ValueError, match=rf"need {wanted} patches, found {found}"):
            stitch(torch.zeros(found, 3, 4, 4), wanted // factor**2, factor, 4 * factor, "strided")
