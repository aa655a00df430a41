"""Typicality maps and their best windows against the code of 'Diffusion Models as Data Mining Tools' on a tiny UNet."""

import json

import numpy as np
import pytest
import torch
from diffusers import PNDMScheduler, UNet2DConditionModel
from tests.parity.closeness import scaled

from retort.methods.typicality import differences, draw_noises, squared_errors, typicality_maps
from retort.methods.windows import best_windows, top_windows, window_means

LOSSES_WITHIN = 1e-4  # of the largest loss
MAP_WITHIN = 1e-5
PRECISIONS = ["f16", "f32"]


class Conditioned:
    """What typicality needs of a LatentDiffusion, from a UNet with cross-attention to prompt embeddings."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, folder):
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
        self.alphas_cumprod = PNDMScheduler.from_pretrained(folder / "scheduler").alphas_cumprod.double()
        self.widest = 0

    def eps(self, latents, timesteps, condition):
        self.widest = max(self.widest, len(latents))
        return self.unet(latents, timesteps, encoder_hidden_states=condition["prompt"]).sample


@pytest.fixture(scope="module")
def case(parity):
    return parity("patch_typicality")


@pytest.fixture(scope="module")
def model(case):
    return Conditioned(case.folder)


@pytest.fixture(scope="module")
def images(case):
    return [match[1] for match in case.find(r"(img\d+)_latent")]


@pytest.fixture(scope="module")
def size(case):
    return tuple(case.facts["params"]["image_hw"])


@pytest.fixture(scope="module")
def window(case):
    return case.facts["params"]["patch_kx_rows"], case.facts["params"]["patch_ky_cols"]


def prompts(case, n):
    """The conditions of n images: the class's prompt and the empty one."""
    category, empty = case["embeds"]
    return tuple({"prompt": embeds.expand(n, -1, -1)} for embeds in (category, empty))


def mapped(case, model, names, draws_per_batch):
    """Maps of images that share their draws."""
    for name in names:
        torch.testing.assert_close(case[f"{name}_noise"], case[f"{names[0]}_noise"], rtol=0, atol=0)
        torch.testing.assert_close(case[f"{name}_timesteps"], case[f"{names[0]}_timesteps"], rtol=0, atol=0)
    latents = torch.cat([case[f"{name}_latent"] for name in names])
    draws = case[f"{names[0]}_noise"], case[f"{names[0]}_timesteps"]
    return typicality_maps(model, latents, *prompts(case, len(names)), *draws, draws_per_batch)


def map_within(case, names):
    """Maps are differences of losses, and as exact as those."""
    return scaled(MAP_WITHIN, *(case[f"{name}_losses_f32"] for name in names))


def mean_map(case, name, precision):
    """(1, h, w) from the losses that the reference computed (f32) or stored (f16)."""
    return differences(case[f"{name}_losses_{precision}"].float()[:, :, None]).mean(dim=0)


def windows_of(case, images, size, window, precision):
    scores = torch.cat([window_means(mean_map(case, name, precision), size, window) for name in images])
    return best_windows(scores, window, case.facts["params"]["k_per_image"])


def assert_boxes_equal(windows, images, rows, within):
    """rows: image, first row, first column, end row, end column, value, as case.json gives them."""
    ends = windows.boxes.copy()
    ends[:, 2:] += ends[:, :2]
    assert rows
    assert [[images[i], *box] for i, box in zip(windows.image, ends.tolist(), strict=True)] == [r[:5] for r in rows]
    np.testing.assert_allclose(windows.value, [r[5] for r in rows], rtol=0, atol=within)


def test_the_draws_of_a_seed_equal_the_reference(case, images):
    params = case.facts["params"]
    for name in images:
        noises, timesteps = draw_noises(
            case[f"{name}_latent"].shape[1:],
            params["N_draws"],
            json.loads((case.folder / "scheduler" / "scheduler_config.json").read_text())["num_train_timesteps"],
            params["t_min"],
            params["t_max"],
            torch.Generator().manual_seed(params["noise_seed"]),
        )
        torch.testing.assert_close(noises, case[f"{name}_noise"], rtol=0, atol=0)
        torch.testing.assert_close(timesteps, case[f"{name}_timesteps"], rtol=0, atol=0)


@torch.inference_mode()
def test_the_losses_of_every_draw_equal_the_reference(case, model, images):
    for name in images:
        draws = case[f"{name}_noise"], case[f"{name}_timesteps"]
        errors = squared_errors(model, case[f"{name}_latent"], prompts(case, 1), *draws)
        expected = case[f"{name}_losses_f32"]
        assert errors.shape == (*expected.shape[:2], 1, *expected.shape[2:])
        within = LOSSES_WITHIN * expected.max().item()
        torch.testing.assert_close(errors[:, :, 0], expected, rtol=0, atol=within)


@torch.inference_mode()
def test_maps_equal_the_reference(case, model, images):
    for name in images:
        result = mapped(case, model, [name], case.facts["params"]["batch"])
        within = map_within(case, [name])
        torch.testing.assert_close(result[0], case[f"{name}_latent_map_f32"], rtol=0, atol=within)


@torch.inference_mode()
def test_maps_of_all_images_in_one_batch_equal_the_reference(case, model, images):
    expected = torch.stack([case[f"{name}_latent_map_f32"] for name in images])
    for draws_per_batch in (1, len(case[f"{images[0]}_noise"])):
        model.widest = 0
        result = mapped(case, model, images, draws_per_batch)
        torch.testing.assert_close(result, expected, rtol=0, atol=map_within(case, images))
        assert model.widest == 2 * len(images) * draws_per_batch


@torch.inference_mode()
def test_window_means_equal_the_reference_from_latents_on(case, model, images, size, window):
    for name in images:
        result = window_means(mapped(case, model, [name], 1), size, window)
        within = map_within(case, [name])
        torch.testing.assert_close(result[0], case[f"{name}_map_f32"], rtol=0, atol=within)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_window_means_equal_the_reference_from_its_losses(case, images, size, window, precision):
    for name in images:
        result = window_means(mean_map(case, name, precision), size, window)
        expected = case[f"{name}_map_{precision}"]
        assert result.dtype == expected.dtype
        torch.testing.assert_close(result[0], expected, rtol=0, atol=map_within(case, [name]))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_best_windows_of_each_image_equal_the_reference(case, images, size, window, precision):
    windows = windows_of(case, images, size, window, precision)
    assert_boxes_equal(windows, images, case.facts["boxes"][precision]["per_image"], map_within(case, images))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_best_windows_of_all_images_equal_the_reference(case, images, size, window, precision):
    windows = windows_of(case, images, size, window, precision)
    top = top_windows(windows, case.facts["params"]["top_k"])
    assert_boxes_equal(top, images, case.facts["boxes"][precision]["top_k"], map_within(case, images))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_best_windows_of_the_reference_maps_equal_the_reference(case, images, window, precision):
    scores = torch.stack([case[f"{name}_map_{precision}"] for name in images])
    windows = best_windows(scores, window, case.facts["params"]["k_per_image"])
    assert_boxes_equal(windows, images, case.facts["boxes"][precision]["per_image"], map_within(case, images))
