"""Teachers: believed only when measured, and only for the classes that they were trained on."""

import numpy as np
import pytest
import torch

from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.models.augmentation import affine_maps, crop_maps, within_crops
from retort.models.classifiers import build_classifier
from retort.models.teacher import (
    accuracy,
    features_and_logits,
    load_teacher,
    logits_of,
    save_teacher,
)
from retort.models.teacher_training import trained_teacher
from retort.models.training_state import Checkpoint

CLASSES = ["wren", "robin", "finch"]


def squares(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright colour channel per class: three classes that are easy to learn."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    pixels = rng.integers(0, 100, (n, 8, 8, 3), dtype=np.uint8)
    pixels[np.arange(n), ..., labels] += 120
    return pixels, labels


def untrained(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_classifier("resnet8", 3, 8).eval()


# ---------------------------------------------------------------- saving and loading


def test_a_loaded_teacher_gives_equal_logits(tmp_path):
    pixels, _ = squares(6)
    module = untrained()
    save_teacher(module, tmp_path, "resnet8", CLASSES, 8)
    loaded = load_teacher(tmp_path, CLASSES)
    assert torch.equal(logits_of(loaded, pixels), logits_of(module, pixels))
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert not torch.equal(logits_of(untrained(1), pixels), logits_of(module, pixels))


@pytest.mark.parametrize("other", [["robin", "wren", "finch"], ["wren", "robin"], [*CLASSES, "tit"], ["0", "1", "2"]])
def test_a_teacher_of_other_classes_or_another_order_is_refused(tmp_path, other):
    save_teacher(untrained(), tmp_path, "resnet8", CLASSES, 8)
    with pytest.raises(RetortError, match=r"wren.*data set has"):
        load_teacher(tmp_path, other)


def test_only_safetensors_and_json_are_saved(tmp_path):
    save_teacher(untrained(), tmp_path, "resnet8", CLASSES, 8)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors", "teacher.json"]
    about = read_json(tmp_path / "teacher.json")
    assert (about["arch"], about["resolution"], about["classes"]) == ("resnet8", 8, CLASSES)


# ---------------------------------------------------------------- measuring and training


def test_logits_do_not_depend_on_the_batch():
    pixels, _ = squares(7)
    module = untrained()
    torch.testing.assert_close(logits_of(module, pixels, batch=2), logits_of(module, pixels), rtol=1e-4, atol=1e-5)


def test_raw_logits_are_of_images_that_were_not_normalised():
    pixels, _ = squares(5)
    module = untrained()
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        expected = module(images)
    torch.testing.assert_close(logits_of(module, pixels, normalise=False), expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits_of(module, pixels), expected, atol=1e-2)


@pytest.mark.parametrize(("arch", "dims"), [("resnet8", 64), ("resnet8x2", 128), ("convnet3", 128)])
def test_features_are_what_the_head_makes_logits_of(arch, dims):
    torch.manual_seed(0)
    module, (pixels, _) = build_classifier(arch, 3, 8).eval(), squares(7)
    seen = []
    module.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    expected = logits_of(module, pixels)
    features, logits = features_and_logits(module, pixels)
    assert features.shape == (7, dims)
    assert (features.dtype, features.device.type, features.requires_grad) == (torch.float32, "cpu", False)
    torch.testing.assert_close(features, seen[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert len(torch.unique(features, dim=0)) == 7


@pytest.mark.parametrize("see", [logits_of, features_and_logits])
def test_it_is_bytes_that_travel_to_the_device(see, monkeypatch):
    pixels, sent = squares(7)[0], []
    pixels.flags.writeable = False  # as a memory map is

    def travel(self, *arguments, to=torch.Tensor.to, **switches):
        if self.shape[1:] in (pixels.shape[1:], (3, *pixels.shape[1:3])):
            sent.append(self.dtype)
        return to(self, *arguments, **switches)

    monkeypatch.setattr(torch.Tensor, "to", travel)
    see(untrained(), pixels, batch=4)
    assert sent == [torch.uint8] * 2


def test_features_do_not_depend_on_the_batch():
    pixels, _ = squares(7)
    module = untrained()
    for one, other in zip(
        features_and_logits(module, pixels, batch=2), features_and_logits(module, pixels), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_accuracy_is_the_share_of_highest_logits_that_are_right():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 2.0], [1.0, 0.0, 0.0]])
    assert accuracy(logits, np.array([0, 2, 1, 1])) == 0.75


def test_training_learns_and_repeats_itself(tmp_path):
    pixels, labels = squares(60)
    easy = {"steps": 25, "batch": 16, "lr": 0.01, "weight_decay": 0.01}
    maps = {"rotate": 5.0, "scale": 0.1, "shift": 0.1, "flip": True}
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "test")

    def trained(seed: int) -> torch.Tensor:
        return logits_of(trained_teacher(pixels, labels, "resnet8", (seed, "teacher"), **easy, **maps), held_out)

    held_out, truth = squares(60, seed=1)
    module = trained_teacher(pixels, labels, "resnet8", (0, "teacher"), checkpoint, **easy, **maps)
    logits = logits_of(module, held_out)
    assert accuracy(logits, truth) > 0.9
    assert torch.equal(trained(0), logits)
    assert not torch.equal(trained(1), logits)


def test_affine_maps_are_the_identity_without_augmentation_and_stay_in_their_ranges():
    still = affine_maps(np.random.default_rng(0), 5, 0, 0, 0, flip=False)
    assert torch.equal(still, torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(5, 2, 3))
    maps = affine_maps(np.random.default_rng(0), 2000, 10, 0.2, 0.1, flip=False).double()
    size = maps[:, :, 0].norm(dim=1)
    angle = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert 0.8 <= size.min() < 0.81 < 1.19 < size.max() <= 1.2 + 1e-6
    assert 9.8 < angle.abs().max() <= 10 + 1e-4
    assert 0.19 < maps[:, :, 2].abs().max() <= 0.2 + 1e-6  # affine_grid measures the side as 2
    mirrored = affine_maps(np.random.default_rng(0), 2000, 0, 0, 0, flip=True)[:, 0, 0]
    assert set(mirrored.tolist()) == {-1.0, 1.0}
    assert abs(mirrored.mean()) < 0.1


# ---------------------------------------------------------------- random resized crops


def test_crops_lie_inside_the_image_and_their_areas_and_aspects_in_their_ranges():
    maps = crop_maps(np.random.default_rng(0), 4000, (0.1, 0.4)).double()
    width, height, x, y = maps[:, 0, 0], maps[:, 1, 1], maps[:, 0, 2], maps[:, 1, 2]
    area, ratio = width * height, width / height
    assert 0.1 <= area.min() + 1e-6 < 0.102
    assert 0.398 < area.max() <= 0.4 + 1e-6
    assert area.mean() == pytest.approx(0.25, abs=0.01)
    assert 0.75 - 1e-6 <= ratio.min() < 0.752
    assert 1.33 < ratio.max() <= 4 / 3 + 1e-6
    for centre, side in ((x, width), (y, height)):
        assert (centre.abs() + side).max() <= 1 + 1e-6
        assert (centre / (1 - side)).abs().max() > 0.99
    assert torch.count_nonzero(maps[:, 0, 1]) == torch.count_nonzero(maps[:, 1, 0]) == 0


def test_a_crop_of_the_whole_area_and_no_other_map_leaves_the_image_as_it_is():
    """Of aspect ratio one; any other cannot hold the whole area."""
    still = affine_maps(np.random.default_rng(0), 3, 0, 0, 0, flip=False)
    whole = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(3, 2, 3)
    assert torch.equal(within_crops(still, whole), whole)


def test_a_map_within_a_crop_is_the_one_after_the_other():
    rng = np.random.default_rng(0)
    maps, crops = affine_maps(rng, 6, 30, 0.2, 0.1, flip=True), crop_maps(rng, 6, (0.2, 0.8))
    points = torch.from_numpy(rng.uniform(-1, 1, (6, 2, 9)).astype(np.float32))

    def applied(to: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        return by[:, :, :2] @ to + by[:, :, 2:]

    torch.testing.assert_close(applied(points, within_crops(maps, crops)), applied(applied(points, crops), maps))


@pytest.mark.parametrize("more", [{"crop": (0.5, 1.0)}, {"precision": "bfloat16"}])
def test_crops_and_low_precision_change_the_training_and_still_learn(more):
    pixels, labels = squares(60)
    settings = {"steps": 25, "batch": 16, "lr": 0.01, "weight_decay": 0.01, "rotate": 0, "scale": 0, "shift": 0}
    held_out, truth = squares(60, seed=1)

    def logits(**options) -> torch.Tensor:
        module = trained_teacher(pixels, labels, "resnet8", (0, "teacher"), **settings, flip=False, **options)
        assert {p.dtype for p in module.parameters()} == {torch.float32}
        return logits_of(module, held_out)

    plain = logits()
    assert accuracy(logits(**more), truth) > 0.9
    assert not torch.equal(logits(**more), plain)
    assert torch.equal(logits(crop=None, precision="float32"), plain)
