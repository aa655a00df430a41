"""Training the models in between: the encoder, the diffusion transformer, and the latents that join them."""

import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import AutoencoderKL, DiTPipeline
from diffusers.models import modeling_utils
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from PIL import Image

from retort.base.errors import RetortError
from retort.base.tensors import open_tensors, write_tensors
from retort.data import streams
from retort.data.manifest import ClassEntry, write_manifest
from retort.models.codec import Codec
from retort.models.dit import DiT
from retort.models.dit_training import trained_dit
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.training_state import Checkpoint
from retort.models.vae_training import psnr, trained_vae
from retort.stages.models.train_dit import train_dit
from retort.stages.shared.encode_latents import encode_latents

SIDE, CLASSES = 16, ["ant", "bee", "cat"]
VAE = {
    "channels": [8, 8],
    "layers_per_block": 1,
    "norm_groups": 4,
    "latent_channels": 4,
    "batch": 16,
    "lr": 5e-3,
    "kl_weight": 1e-6,
    "precision": "float32",
}
DIT = {"layers": 2, "heads": 2, "head_dim": 16, "patch": 2, "batch": 16, "lr": 0.01, "warmup": 5}


def pictures(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A bright square at a random place on a dark ground, in a colour per class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(CLASSES)
    pixels = np.full((n, SIDE, SIDE, 3), 40, dtype=np.uint8)
    for i, label in enumerate(labels):
        row, column = rng.integers(0, SIDE - 8, 2)
        pixels[i, row : row + 8, column : column + 8, label] = 230
    return pixels, labels


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    return trained_vae(pictures(96)[0], (0, "vae", "tiny"), steps=50, **VAE)


@pytest.fixture(scope="module")
def vae_directory(vae, tmp_path_factory) -> str:
    directory = tmp_path_factory.mktemp("vae")
    vae.save_pretrained(directory, safe_serialization=True)
    return str(directory)


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """classes.csv, and a manifest of seven images per class written as PNGs."""
    folder = tmp_path_factory.mktemp("real")
    pixels, labels = pictures(21, seed=3)
    rows = []
    for i in np.argsort(labels, kind="stable"):
        path = folder / f"{i}.png"
        Image.fromarray(pixels[i]).save(path)
        name = CLASSES[labels[i]]
        rows.append(
            {"split": "train", "path": str(path), "class_id": name, "class_name": name, "class_index": labels[i]}
            | {"image_id": f"{name}/{i}.png", "width": SIDE, "height": SIDE}
        )
    entries = [ClassEntry(i, c, c) for i, c in enumerate(CLASSES)]
    write_manifest(pd.DataFrame(rows), entries, folder / "manifest.parquet", folder / "classes.csv")
    return folder


# ---------------------------------------------------------------- the encoder


def test_a_trained_vae_reconstructs_unseen_images_better_than_their_mean(vae):
    unseen = pictures(48, seed=1)[0]
    images = unseen / 127.5 - 1
    predicting_the_mean = 10 * np.log10(4 / np.square(images - images.mean(axis=0)).mean())
    assert psnr(vae, unseen) > predicting_the_mean + 0.5
    untrained = trained_vae(pictures(96)[0], (0, "vae", "tiny"), steps=1, **VAE)
    assert psnr(vae, unseen) > psnr(untrained, unseen) + 3


def test_psnr_is_the_formula_on_the_reconstructions_whatever_the_batch(vae):
    pixels = pictures(10, seed=1)[0]
    codec = Codec(vae, SIDE)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 127.5 - 1
    output = codec.decode(codec.encode(images)).clamp(-1, 1).double()
    expected = 10 * np.log10(4 / (output - images).square().mean().item())
    assert psnr(vae, pixels, batch=4) == pytest.approx(expected, abs=1e-3)
    assert psnr(vae, pixels, batch=10) == pytest.approx(expected, abs=1e-3)


def test_the_scaling_factor_gives_latents_of_unit_deviation(vae):
    pixels = pictures(96)[0]
    latents = Codec(vae, SIDE).encode(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1)
    assert latents.shape == (96, 4, 8, 8)
    assert latents.std().item() == pytest.approx(1, rel=1e-3)
    assert vae.config.scaling_factor != AutoencoderKL().config.scaling_factor


def test_the_scaling_factor_survives_saving(vae, vae_directory):
    codec = Codec.load(vae_directory, SIDE, torch.float32, torch.device("cpu"))
    images = torch.from_numpy(pictures(4)[0]).permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.equal(codec.encode(images), Codec(vae, SIDE).encode(images))
    assert codec.latent_shape == (4, 8, 8)


def test_training_the_vae_again_gives_the_same_weights():
    def weights(seed: int) -> torch.Tensor:
        trained = trained_vae(pictures(16)[0], (seed, "vae", "tiny"), steps=2, **VAE)
        return torch.cat([p.flatten() for p in trained.state_dict().values()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


# ---------------------------------------------------------------- latents


def encode(real: Path, vae_directory: str, **changes) -> dict[str, np.ndarray]:
    settings = {"class_ids": CLASSES, "posterior": "sample", "dataset": "toy", "seed": 0, "batch": 4, "threads": 2}
    codec = CodecFiles(vae_directory, changes.pop("dtype", "float64"), SIDE)
    output = real / "latents.safetensors"
    encode_latents(str(real / "manifest.parquet"), str(output), codec=codec, **settings | changes)
    return {name: np.array(array) for name, array in open_tensors(output).items()}


@pytest.mark.parametrize("posterior", ["mean", "sample"])
def test_latents_in_double_precision_are_bit_equal_whatever_the_batch(real, vae_directory, posterior):
    alone = encode(real, vae_directory, posterior=posterior, batch=1)
    together = encode(real, vae_directory, posterior=posterior, batch=8)
    for class_id in CLASSES:
        latents = alone[f"latents/{class_id}"]
        assert (latents.shape, latents.dtype) == ((7, 4, 8, 8), np.float32)
        np.testing.assert_array_equal(latents, together[f"latents/{class_id}"])


def test_latents_are_the_same_whoever_reads_the_images(real, vae_directory, monkeypatch):
    here = encode(real, vae_directory, batch=3, threads=1)
    monkeypatch.setattr(streams, "FEW", 0)
    by_others = encode(real, vae_directory, batch=3, threads=2)
    assert here.keys() == by_others.keys()
    assert all(np.array_equal(here[name], by_others[name]) for name in here)


def test_encoding_says_how_long_it_waited_for_images(real, vae_directory, capsys):
    encode(real, vae_directory)
    assert re.search(r"^waited for images \d+\.\d s of \d+\.\d s, \d+%$", capsys.readouterr().out, flags=re.M)


def test_a_posterior_draw_belongs_to_its_image_whatever_shard_and_batch_it_is_in(real, vae_directory):
    whole = encode(real, vae_directory, batch=3)
    for classes, batch in ((["bee"], 2), (["cat", "bee"], 5)):
        part = encode(real, vae_directory, class_ids=classes, batch=batch)
        for class_id in classes:
            np.testing.assert_array_equal(part[f"latents/{class_id}"], whole[f"latents/{class_id}"])


def test_posterior_draws_differ_from_the_mean_by_its_deviation_and_change_with_the_seed(real, vae_directory):
    mean = encode(real, vae_directory, posterior="mean")
    first, second = (encode(real, vae_directory, seed=seed) for seed in (0, 1))
    codec = Codec.load(vae_directory, SIDE, torch.float64, torch.device("cpu"))
    paths = pd.read_parquet(real / "manifest.parquet").query("class_id == 'ant'")["path"]
    images = torch.from_numpy(np.stack([np.asarray(Image.open(p)) for p in paths])).permute(0, 3, 1, 2) / 127.5 - 1
    std = codec.vae.encode(images.double()).latent_dist.std * codec.vae.config.scaling_factor
    draws = [(s["latents/ant"] - mean["latents/ant"]) / std.numpy() for s in (first, second)]
    for draw in draws:  # standard normal: 7 x 4 x 8 x 8 numbers
        assert abs(draw.mean()) < 0.1
        assert draw.std() == pytest.approx(1, abs=0.1)
    assert abs(np.corrcoef(draws[0].ravel(), draws[1].ravel())[0, 1]) < 0.15
    assert abs(np.corrcoef(draws[0][0].ravel(), draws[0][1].ravel())[0, 1]) < 0.3  # nor do images share a draw


def test_latents_carry_the_rows_of_their_images(real, vae_directory):
    manifest = pd.read_parquet(real / "manifest.parquet")
    latents = encode(real, vae_directory, class_ids=["cat", "ant"])
    for class_id in ("cat", "ant"):
        expected = manifest.loc[manifest["class_id"] == class_id, "row"]
        np.testing.assert_array_equal(latents[f"rows/{class_id}"], expected)


def test_a_latent_that_is_not_finite_is_reported_with_its_image(real, vae_directory, monkeypatch):
    plain = Codec.encode

    def encode_with_hole(self, images, generators=None):
        latents = plain(self, images, generators)
        latents[2, 0, 0, 0] = float("nan")
        return latents

    monkeypatch.setattr(Codec, "encode", encode_with_hole)
    third = pd.read_parquet(real / "manifest.parquet")["image_id"][2]
    with pytest.raises(RetortError, match=f"latent of {third} is not finite"):
        encode(real, vae_directory, batch=4)


# ---------------------------------------------------------------- the diffusion transformer


def latents_of(n: int = 96, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Latents (n, 4, 4, 4) that sit around one pattern per class."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(7).standard_normal((3, 4, 4, 4))
    labels = np.arange(n) % 3
    return (patterns[labels] + 0.2 * rng.standard_normal((n, 4, 4, 4))).astype(np.float32), labels


def learnt_dit(steps: int = 100, drop_label: float = 0.3, ema: float = 0.5) -> DiTTransformer2DModel:
    latents, labels = latents_of()
    words = (0, "dit", "tiny")
    settings = DIT | {"steps": steps, "drop_label": drop_label, "ema": ema}
    return trained_dit(lambda rows: latents[rows], labels, (4, 4, 4), words, **settings)


@pytest.fixture(scope="module")
def dit() -> DiTTransformer2DModel:
    return learnt_dit()


def class_rows(transformer: DiTTransformer2DModel) -> torch.Tensor:
    """(blocks, classes + 1, width): every block's own table of class embeddings."""
    tables = [b.norm1.emb.class_embedder.embedding_table.weight for b in transformer.transformer_blocks]
    return torch.stack(tables).detach()


def noise_error(transformer: DiTTransformer2DModel, class_labels: torch.Tensor | None = None) -> float:
    """Mean squared error of the predicted noise on unseen latents, at the same noise and timesteps every time."""
    latents, labels = latents_of(192, seed=1)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(latents.shape, generator=generator)
    times = torch.randint(0, 1000, (len(latents),), generator=generator)
    alpha = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)[times].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * torch.from_numpy(latents) + (1 - alpha).sqrt() * noise
    targets = torch.from_numpy(labels) if class_labels is None else class_labels
    with torch.no_grad():
        eps = transformer(noisy, timestep=times, class_labels=targets).sample
    return (eps - noise).square().mean().item()


def test_training_lowers_the_error_of_the_predicted_noise(dit):
    assert noise_error(learnt_dit(steps=1, ema=0.0)) == pytest.approx(1, abs=0.1)  # it starts by predicting nothing
    assert noise_error(dit) < 0.3


def test_the_null_class_is_trained_in_every_block(dit):
    moved = (class_rows(dit) - class_rows(learnt_dit(steps=1, ema=0.0))).norm(dim=2)
    assert moved.shape == (2, 4)
    assert moved[:, 3].min() > 0.05
    assert noise_error(dit, torch.full((192,), 3)) < 0.35


def test_the_null_class_stays_as_drawn_when_no_label_is_dropped():
    first, last = (class_rows(learnt_dit(steps=steps, drop_label=0.0, ema=0.0)) for steps in (1, 20))
    assert torch.equal(first[:, 3], last[:, 3])
    assert (last - first)[:, :3].norm(dim=2).min() > 0.005


def test_all_classes_but_the_null_stay_as_drawn_when_every_label_is_dropped():
    first, last = (class_rows(learnt_dit(steps=steps, drop_label=1.0, ema=0.0)) for steps in (1, 20))
    assert torch.equal(first[:, :3], last[:, :3])
    assert (last - first)[:, 3].norm(dim=1).min() > 0.005


def test_the_trained_model_hears_its_condition(dit):
    wrong = torch.from_numpy((latents_of(192, seed=1)[1] + 1) % 3)
    assert noise_error(dit) < noise_error(dit, wrong) - 0.1


# ---------------------------------------------------------------- as a pipeline


@pytest.fixture(scope="module")
def pipeline(vae_directory, tmp_path_factory) -> tuple[str, Path]:
    """A directory written by train_dit from two latent shards, and the folder of its class table."""
    folder = tmp_path_factory.mktemp("pipeline")
    rng = np.random.default_rng(0)
    shards = []
    for name, classes in (("0000", CLASSES[:2]), ("0001", CLASSES[2:])):
        arrays = {f"latents/{c}": rng.standard_normal((5, 4, 8, 8)).astype(np.float32) for c in classes}
        shards.append(str(folder / f"{name}.safetensors"))
        write_tensors(shards[-1], arrays)
    (folder / "classes.csv").write_text("index,id,name\n0,ant,black ant\n1,bee,honey bee\n2,cat,tabby cat\n")
    checkpoint = Checkpoint(folder / "state.safetensors", "test")
    settings = DIT | {"steps": 4, "drop_label": 0.1, "ema": 0.5}
    output = str(folder / "dit")
    paths = (shards, str(folder / "classes.csv"), vae_directory, output)
    with patch.object(modeling_utils.logger, "warning") as warned:
        train_dit(*paths, checkpoint, name="dit", seed=0, settings=settings)
    assert warned.call_args_list == []  # such as the advice to install accelerate, between the lines of a run
    assert not checkpoint.path.exists()
    return output, folder


def test_diffusers_own_pipeline_and_ours_load_the_same_model(pipeline, vae_directory):
    directory, _ = pipeline
    theirs = DiTPipeline.from_pretrained(directory)
    ours = load_diffusion(ModelFiles(directory, "float32"), CodecFiles(vae_directory, "float32", SIDE))
    latents = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    times, classes = torch.tensor([999, 500, 20, 0, 999, 20]), torch.tensor([0, 1, 2, 0, 3, 3])
    with torch.no_grad():
        expected = theirs.transformer.eval()(latents, timestep=times, class_labels=classes).sample
        conditional = ours.eps(latents[:4], times[:4], ours.condition([ClassEntry(c, "", "") for c in classes[:4]]))
        null = ours.eps(latents[4:], times[4:], ours.null(2))
        together = ours.eps(latents, times, {"class_labels": classes})
    assert torch.equal(together, expected)
    torch.testing.assert_close(torch.cat([conditional, null]), expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 1e-3
    torch.testing.assert_close(theirs.scheduler.alphas_cumprod.double(), ours.alphas_cumprod)
    assert theirs.labels == {"black ant": 0, "honey bee": 1, "tabby cat": 2}


def test_the_pipeline_carries_the_encoder_of_its_latents(pipeline, vae):
    saved = DiTPipeline.from_pretrained(pipeline[0]).vae
    assert saved.config.scaling_factor == vae.config.scaling_factor
    assert all(torch.equal(a, b) for a, b in zip(saved.parameters(), vae.parameters(), strict=True))


def test_the_original_timestep_embedding_changes_the_prediction(pipeline, vae_directory):
    codec = CodecFiles(vae_directory, "float32", SIDE)
    latents, times = torch.ones(2, 4, 8, 8), torch.tensor([700, 100])
    eps = [
        model.eps(latents, times, model.null(2))
        for model in (load_diffusion(ModelFiles(pipeline[0], "float32", c), codec) for c in ("diffusers", "original"))
    ]
    assert not torch.equal(*eps)


@pytest.mark.parametrize("count", [2, 4])
def test_a_model_of_another_number_of_classes_is_refused(pipeline, vae_directory, count):
    model = load_diffusion(ModelFiles(pipeline[0], "float32"), CodecFiles(vae_directory, "float32", SIDE))
    model.check_classes([ClassEntry(i, c, c) for i, c in enumerate(CLASSES)])
    with pytest.raises(RetortError, match=f"knows 3 classes but the data set has {count}"):
        model.check_classes([ClassEntry(i, str(i), str(i)) for i in range(count)])


@pytest.mark.parametrize("resolution", [8, 32])
def test_a_model_of_another_latent_shape_than_its_encoders_is_refused(pipeline, vae_directory, resolution):
    side = resolution // 2
    with pytest.raises(RetortError, match=rf"latents \(4, 8, 8\).*makes \(4, {side}, {side}\) at {resolution} pixels"):
        load_diffusion(ModelFiles(pipeline[0], "float32"), CodecFiles(vae_directory, "float32", resolution))


def test_a_class_without_latents_is_named(pipeline, vae_directory, tmp_path):
    shard = tmp_path / "latents.safetensors"
    write_tensors(shard, {"latents/ant": np.zeros((2, 4, 8, 8), np.float32)})
    state, table = Checkpoint(tmp_path / "state.safetensors", "test"), str(pipeline[1] / "classes.csv")
    with pytest.raises(RetortError, match=r"lack the classes bee, cat"):
        train_dit([str(shard)], table, vae_directory, str(tmp_path / "dit"), state, name="dit", seed=0, settings={})
    assert not (tmp_path / "dit").exists()


def test_only_safetensors_weights_are_read(pipeline, vae_directory, tmp_path):
    directory = tmp_path / "transformer"
    DiTTransformer2DModel.from_pretrained(Path(pipeline[0], "transformer")).save_pretrained(
        directory, safe_serialization=False
    )
    codec = Codec.load(vae_directory, SIDE, torch.float32, torch.device("cpu"))
    with pytest.raises(OSError, match="safetensors"):
        DiT.load(tmp_path, codec, torch.float32, torch.device("cpu"))
