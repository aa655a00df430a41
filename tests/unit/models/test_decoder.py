"""A decoder apart from the encoder: CoDA encodes by one VAE of SDXL's latents and decodes by another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from tests.helpers.parts import NOISE
from tests.helpers.parts import sampling as sampling_by
from tests.helpers.tiny_models import CLASSES, SHAPE, SIDE, files, kept, read, save_models
from tests.unit.stages.test_check_models import CONFIG, Models, save_dit, save_vae

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.models.load import CodecFiles, load_codec, load_diffusion
from retort.models.pixels import to_pixels
from retort.parts.resolve import part_of
from retort.plan.plan import Plan
from retort.stages.models.check_models import Encoder, Use
from retort.stages.sets.generate_images import generate_images
from retort.stages.sets.refine_latents import refine_latents


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """dit/, vae/, and other-vae/ of the same latents but other weights; rescaled/ of another scaling factor."""
    home = tmp_path_factory.mktemp("models")
    save_models(home)
    config = dict(AutoencoderKL.load_config(home / "vae"))
    for seed, (name, scale) in enumerate((("other-vae", config["scaling_factor"]), ("rescaled", 0.25))):
        torch.manual_seed(10 + seed)
        AutoencoderKL.from_config(config | {"scaling_factor": scale}).save_pretrained(home / name)
    return home


def decoded_by(home: Path, name: str) -> dict:
    told = files(home)
    return told | {"model": replace(told["model"], decoder=CodecFiles(str(home / name), "float64", SIDE))}


def made(home: Path, output: Path, **models) -> dict[str, np.ndarray]:
    settings = {"sampling": sampling_by("ddim", 3, 2, 2.0), "number": 2, "side": SIDE, "dataset": "toy", "seed": 0}
    settings |= {"start": NOISE}
    inputs = [str(home / "classes.csv"), *[None] * 6]
    generate_images(*inputs, str(output), kept(home), **models, class_indices=[0, 1], batch=4, **settings)
    return read(output)


def pixels_by(home: Path, name: str, latents: np.ndarray) -> np.ndarray:
    codec = load_codec(CodecFiles(str(home / name), "float64" if name != "vae" else "float32", SIDE))
    with torch.inference_mode():
        return to_pixels(codec.decode(torch.from_numpy(latents)))


def test_images_are_decoded_by_the_decoder_from_the_latents_that_are_sampled_as_without(home, tmp_path):
    own = made(home, tmp_path / "own", **files(home))
    other = made(home, tmp_path / "other", **decoded_by(home, "other-vae"))
    np.testing.assert_array_equal(own["latents"], other["latents"])
    np.testing.assert_array_equal(own["pixels"], pixels_by(home, "vae", own["latents"]))
    np.testing.assert_array_equal(other["pixels"], pixels_by(home, "other-vae", own["latents"]))
    assert abs(own["pixels"].astype(int) - other["pixels"]).mean() > 1


def test_refined_latents_are_decoded_by_the_decoder_too(home, tmp_path):
    made(home, tmp_path / "made", **decoded_by(home, "other-vae"))
    refinement = part_of("refinements", {"iterations": 2, "lr": 0.01, "steps": 10, "share": 0.5})
    shared = {"refinement": refinement, "class_indices": [0, 1], "ipc": 2, "side": SIDE, "dataset": "toy", "seed": 0}
    inputs = (str(home / "classes.csv"), str(tmp_path / "made"), [], str(tmp_path / "refined"))
    refine_latents(*inputs, **decoded_by(home, "other-vae"), **shared, batch=4)
    refined = read(tmp_path / "refined")
    np.testing.assert_array_equal(refined["pixels"], pixels_by(home, "other-vae", refined["latents"]))


def test_real_images_are_still_encoded_by_the_encoder(home):
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    plain, apart = (load_diffusion(*told.values()) for told in (files(home), decoded_by(home, "other-vae")))
    with torch.inference_mode():
        assert torch.equal(plain.encode(images), apart.encode(images))
    assert apart.decoder.vae.dtype == torch.float64
    assert plain.latent_shape == apart.latent_shape == SHAPE


def test_a_decoder_of_other_latents_is_refused(home):
    with pytest.raises(RetortError, match=r"rescaled decodes latents .* scaled by 0\.25, but .*vae makes .* by 0\.5"):
        load_diffusion(*decoded_by(home, "rescaled").values())
    told = files(home)
    small = replace(told["model"], decoder=CodecFiles(str(home / "other-vae"), "float32", SIDE // 2))
    with pytest.raises(RetortError, match="name a decoder of the same latents"):
        load_diffusion(small, told["codec"])


# ---------------------------------------------------------------- configs


def plan_of(decoder: str, **vae) -> Plan:
    other = {"kind": "vae", "source": "other/vae", "resolution": 256, **vae}
    other = {key: value for key, value in other.items() if value is not None}
    dit = CONFIG["models"]["dit"] | {"decoder": decoder}
    run = {"methods": ["dit"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}
    models = CONFIG["models"] | {"other-vae": other, "dit": dit}
    return Plan(load_config(CONFIG | {"models": models, "runs": [run]}), CLASSES)


def test_a_decoder_is_fetched_checked_and_recorded():
    plan = plan_of("other-vae")
    assert plan.fetched_models() == ["vae", "dit", "other-vae"]
    assert plan.used_latents() == []
    assert plan.uses_of_fetched() == [
        {"model": "dit", "encoder": "vae", "classes": "imagenet1k", "decoder": "other-vae"}
    ]
    assert plan.provenance_of("dit")["models"]["other-vae"]["source"] == "other/vae"
    assert plan.provenance_of("dit")["models"]["dit"]["decoder"] == "other-vae"


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (lambda: plan_of("vea"), r"models\.dit\.decoder: no vae model is called 'vea', did you mean 'vae'\?"),
        (lambda: plan_of("tuned"), r"models\.dit\.decoder: no vae model is called 'tuned'"),
        (
            lambda: plan_of("other-vae", resolution=128),
            r"models\.dit\.decoder: 'other-vae' works at 128 pixels, the encoder 'vae' at 256; give both the same",
        ),
        (
            lambda: plan_of("other-vae", train={}, source=None),
            r"models\.dit\.decoder: 'other-vae' is trained here, and no other VAE has its latents; leave decoder out",
        ),
    ],
    ids=["unknown", "no vae", "another side", "trained"],
)
def test_decoders_that_do_not_fit_are_refused_with_the_config(plan, said):
    with pytest.raises(RetortError, match=said):
        plan()


def test_a_fetched_decoder_of_another_shape_is_named(tmp_path):
    models = Models(tmp_path)
    models.add("dit", "dit", save_dit(tmp_path / "sources" / "dit", 2))
    for name, channels in (("vae", 4), ("same", 4), ("wide", 16)):
        models.add(name, "vae", save_vae(tmp_path / "sources" / name, channels=channels))
    encoders = {name: Encoder(64) for name in ("vae", "same", "wide")}
    models.check([Use("dit", "vae", "dataset", decoder="same")], encoders, ["0", "1"])
    with pytest.raises(
        RetortError, match=r"models\.dit: its decoder wide reads latents \(16, 8, 8\), but its encoder vae"
    ):
        models.check([Use("dit", "vae", "dataset", decoder="wide")], encoders, ["0", "1"])
