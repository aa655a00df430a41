"""An encoder from elsewhere is measured on the validation images, as one that is trained here."""

import math

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from tests.helpers.plans import composed_for

from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.base.tensors import write_tensors
from retort.models.load import CodecFiles
from retort.stages.models import measure_encoder as stage

SIDE = 16


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A VAE in folder vae, of random weights."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    AutoencoderKL(**blocks, block_out_channels=(8, 8), norm_num_groups=4, scaling_factor=0.7).save_pretrained(
        folder / "vae"
    )
    return folder


def measured(home, pixels: np.ndarray) -> dict:
    write_tensors(home / "val.safetensors", {"pixels": pixels, "labels": np.zeros(len(pixels), np.int64)})
    codec = CodecFiles(str(home / "vae"), "float32", SIDE)
    stage.measure_encoder(str(home / "val.safetensors"), str(home / "quality.json"), codec=codec, name="mine")
    return read_json(home / "quality.json")


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def by_hand(home, pixels: np.ndarray) -> float:
    vae = AutoencoderKL.from_pretrained(home / "vae").double()
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 127.5 - 1
    with torch.no_grad():
        back = vae.decode(vae.encode(scaled).latent_dist.mean).sample.clamp(-1, 1)
    return 20 * math.log10(2) - 10 * math.log10(((back - scaled) ** 2).mean().item())


def test_the_value_is_the_ratio_of_the_peak_to_the_error_of_encoding_and_decoding(home):
    pixels = images(70)
    found = measured(home, pixels)
    assert found["value"] == pytest.approx(by_hand(home, pixels), abs=1e-4)
    assert {key: found[key] for key in ("model", "kind", "measure")} == {
        **{"model": "mine", "kind": "vae", "measure": "PSNR in dB, validation"}
    }


def test_of_a_large_split_some_images_are_taken_evenly_and_the_measure_says_how_many(home, monkeypatch):
    monkeypatch.setattr(stage, "IMAGES", 3)
    pixels = images(9)
    found = measured(home, pixels)
    assert found["measure"] == "PSNR in dB, 3 validation images"
    assert found["value"] == pytest.approx(by_hand(home, pixels[[0, 4, 8]]), abs=1e-4)


def test_a_value_that_is_not_finite_stops_with_the_name_of_the_model(home, monkeypatch):
    monkeypatch.setattr(stage, "psnr", lambda vae, pixels: float("nan"))
    with pytest.raises(RetortError, match=r"models\.mine: its PSNR on the validation images is nan; take"):
        measured(home, images(2))


def test_only_encoders_from_elsewhere_that_take_images_of_the_data_sets_side_are_measured():
    assert composed_for("fast", "guided").measured_encoders() == []  # one takes 64 px of 32, one is trained here
    assert composed_for("fast", "guided", resolution=64).measured_encoders() == ["fine-vae"]
