"""The optimal denoiser of the training latents: the formula itself, cases known by hand, and every stage with it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from tests.helpers.parts import NOISE
from tests.helpers.parts import sampling as sampling_by
from tests.helpers.tiny_models import CLASSES, SHAPE, SIDE, kept, read, save_models, write_latents
from torch.autograd import gradcheck

from retort.base.errors import RetortError
from retort.base.tensors import write_tensors
from retort.data.manifest import ClassEntry, read_classes
from retort.methods.ddim import sample
from retort.methods.guidance import Guided
from retort.models import posterior_mean as closed_form
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.optimal import Optimal
from retort.models.posterior_mean import posterior_mean
from retort.parts.resolve import part_of
from retort.stages.models.memorise_latents import memorise_latents
from retort.stages.sets.generate_images import generate_images
from retort.stages.sets.refine_latents import refine_latents
from retort.stages.shared.invert_latents import invert_latents
from retort.stages.shared.score_typicality import score_typicality

ALPHAS = DDIMScheduler().alphas_cumprod.double()
TIMES = [0, 1, 40, 300, 700, 999]
COUNTS = {"ant": 7, "bee": 3, "cat": 5, "dog": 2}
ENTRIES = [ClassEntry(i, c, c) for i, c in enumerate(CLASSES)]


def clouds(seed: int = 0) -> dict[str, torch.Tensor]:
    """Latents of each class; a far class, and two images of one class that are nearly the same."""
    rng = torch.Generator().manual_seed(seed)
    found = {c: torch.randn(n, *SHAPE, generator=rng) + i for i, (c, n) in enumerate(COUNTS.items())}
    found["dog"][1] = found["dog"][0] + 0.01 * torch.randn(SHAPE, generator=rng)
    return found


def optimal(latents: dict[str, torch.Tensor]) -> Optimal:
    return Optimal(list(latents.values()), list(latents), ALPHAS, codec=None)


def brute_force(noisy: torch.Tensor, time: int, images: torch.Tensor) -> torch.Tensor:
    """The noise in one latent (C, H, W), from the formula as it is printed, in double precision."""
    signal, spread = ALPHAS[time].sqrt(), (1 - ALPHAS[time]).sqrt()
    distances = torch.stack([(noisy.double() - signal * y.double()).square().sum() for y in images])
    weights = torch.softmax(-distances / (2 * spread**2), dim=0)
    mean = sum(w * y.double() for w, y in zip(weights, images, strict=True))
    return (noisy.double() - signal * mean) / spread


def noised(clean: torch.Tensor, time: int, seed: int = 1) -> torch.Tensor:
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return (ALPHAS[time].sqrt() * clean + (1 - ALPHAS[time]).sqrt() * noise).float()


# ---------------------------------------------------------------- the formula


@pytest.mark.parametrize("time", TIMES)
def test_it_predicts_what_the_formula_says_for_each_class_and_for_all(time):
    latents = clouds()
    model, everything = optimal(latents), torch.cat(list(latents.values()))
    noisy = torch.stack([noised(images[0], time, seed) for seed, images in enumerate(latents.values())])
    # Two classes in turn and the null branch, as guidance stacks them.
    members = [ENTRIES[i] for i in (3, 0, 2, 1)]
    condition = {"row": torch.cat([model.condition(members)["row"], model.null(4)["row"]])}
    found = model.eps(noisy[[3, 0, 2, 1] * 2], torch.full((8,), time), condition)
    expected = [brute_force(noisy[e.index], time, latents[e.id]) for e in members]
    expected += [brute_force(noisy[e.index], time, everything) for e in members]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-6, atol=1e-6)


def test_timesteps_may_differ_within_a_batch():
    latents = clouds()
    noisy = torch.stack([noised(latents["cat"][0], t, seed=t) for t in TIMES])
    model = optimal(latents)
    found = model.eps(noisy, torch.tensor(TIMES), model.condition([ENTRIES[2]] * len(TIMES)))
    expected = [brute_force(x, t, latents["cat"]) for x, t in zip(noisy, TIMES, strict=True)]
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("time", TIMES)
def test_of_one_image_a_class_it_predicts_that_image(time):
    latents = {c: found[:1] for c, found in clouds().items()}
    noisy = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(3)).double()
    model = optimal(latents)
    eps = model.eps(noisy, torch.full((4,), time), model.condition(ENTRIES))
    clean = (noisy - (1 - ALPHAS[time]).sqrt() * eps) / ALPHAS[time].sqrt()
    torch.testing.assert_close(clean, torch.cat(list(latents.values())).double(), rtol=1e-9, atol=1e-9)


def test_of_two_numbers_it_predicts_what_is_known_by_hand():
    """Of y = 0 and y = 2, E[y | x] = 2 sigmoid((2 s x - 2 s^2) / sigma^2): 1 half way at x = s."""
    signal, spread = (torch.full((3,), share, dtype=torch.float64) for share in (0.8, 0.6))
    noisy = torch.tensor([[0.8], [0.0], [2.0]], dtype=torch.float64)
    found = posterior_mean(noisy, signal, spread, [torch.tensor([[0.0], [2.0]])])
    expected = [1.0, *(2 / (1 + math.exp(-(1.6 * x - 1.28) / 0.36)) for x in (0.0, 2.0))]
    torch.testing.assert_close(found[:, 0], torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_where_all_images_are_far_away_the_nearest_is_predicted():
    images = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    noisy = torch.tensor([[1e6, 3.0], [-1e6, 3.0], [5.0, 1e6]]).double()
    small = torch.full((3,), 0.01).double()
    found = posterior_mean(noisy, (1 - small**2).sqrt(), small, [images])
    torch.testing.assert_close(found, images.double(), rtol=0, atol=1e-12)


def test_close_images_are_told_apart_where_single_precision_would_not():
    """256 numbers of size 3 at the cleanest timestep: the exponents are 1e7, and their difference is about 1."""
    rng = torch.Generator().manual_seed(0)
    first = 3 * torch.randn(1, 256, generator=rng)
    images = torch.cat([first, first + 6e-4 * torch.randn(1, 256, generator=rng)])
    signal, spread = ALPHAS[:1].sqrt(), (1 - ALPHAS[:1]).sqrt()
    noisy = signal * images[:1].double() + spread * torch.randn(1, 256, generator=rng).double()
    found = posterior_mean(noisy, signal, spread, [images])
    distances = (noisy - signal * images.double()).square().sum(1)
    weights = torch.softmax(-distances / (2 * spread**2), dim=0)
    assert 0.05 < weights[1] < 0.95
    torch.testing.assert_close(found, (weights[None] @ images.double()), rtol=0, atol=1e-9)
    rough = torch.softmax((signal * noisy @ images.double().T).float() / spread.float() ** 2, dim=1)
    assert abs(rough[0, 1] - weights[1]) > 1e-3  # what a product in single precision makes of it


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_what_is_seen_at_a_time_changes_nothing(at_once):
    images = [found.flatten(1) for found in clouds().values()]
    noisy = torch.randn(5, images[0].shape[1], generator=torch.Generator().manual_seed(2)).double()
    signal, spread = ALPHAS[TIMES[:5]].sqrt(), (1 - ALPHAS[TIMES[:5]]).sqrt()
    whole = posterior_mean(noisy, signal, spread, images)
    torch.testing.assert_close(posterior_mean(noisy, signal, spread, images, at_once), whole, rtol=1e-10, atol=1e-10)


def test_no_more_than_so_many_bytes_are_held_at_a_time(monkeypatch):
    monkeypatch.setattr(closed_form, "BYTES_AT_ONCE", 8 * 300 * 20)
    seen = [len(rows) for rows in closed_form._chunks([torch.zeros(50, 300), torch.zeros(15, 300)], 4, None)]
    assert seen == [20, 20, 10, 15]
    seen = [len(rows) for rows in closed_form._chunks([torch.zeros(50, 300)], 600, None)]
    assert seen == [10] * 5  # 600 noisy latents have so many weights


def test_an_image_is_predicted_alike_alone_and_in_company():
    model = optimal(clouds())
    noisy = torch.stack([noised(model._images[i][0].view(SHAPE), 300, seed=i) for i in range(4)])
    times = torch.full((4,), 300)
    for condition in (model.condition(ENTRIES), model.null(4)):
        together = model.eps(noisy, times, condition)
        alone = [model.eps(noisy[i : i + 1], times[:1], {"row": condition["row"][i : i + 1]}) for i in range(4)]
        torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=1e-6)


# ---------------------------------------------------------------- its gradient


def test_the_gradient_is_that_of_the_formula():
    images = [torch.randn(n, 4, generator=torch.Generator().manual_seed(n)).double() for n in (3, 5)]
    noisy = torch.randn(4, 4, generator=torch.Generator().manual_seed(9)).double().requires_grad_()
    spread = torch.tensor([0.3, 0.6, 0.9, 0.99]).double()
    for at_once in (None, 2):
        assert gradcheck(lambda x, rows=at_once: posterior_mean(x, (1 - spread**2).sqrt(), spread, images, rows), noisy)


def test_the_gradient_reaches_the_latents_and_vanishes_where_one_image_is_certain():
    """d eps / dx is (1 - s^2 Cov / sigma^2) / sigma: 1 / sigma where the covariance is 0."""
    model = optimal({c: found[:1] for c, found in clouds().items()})
    noisy = torch.randn(4, *SHAPE).requires_grad_()
    model.eps(noisy, torch.full((4,), 300), model.condition(ENTRIES)).sum().backward()
    expected = torch.full_like(noisy, float((1 - ALPHAS[300]) ** -0.5))
    torch.testing.assert_close(noisy.grad, expected)


# ---------------------------------------------------------------- guidance and sampling


def test_at_guidance_1_it_is_the_class_alone_and_classes_that_are_one_are_the_same_at_any():
    model, time = optimal(clouds()), 950
    noisy = noised(torch.stack([found[0] for found in clouds().values()]), time)
    condition, times = model.condition(ENTRIES), torch.full((4,), time)
    torch.testing.assert_close(
        Guided(model, condition, 1.0)(noisy, time), model.eps(noisy, times, condition), rtol=0, atol=0
    )
    assert not torch.allclose(Guided(model, condition, 4.0)(noisy, time), model.eps(noisy, times, condition))
    alone = optimal({"ant": clouds()["ant"]})
    condition = alone.condition(ENTRIES[:1])
    one, four = (Guided(alone, condition, scale)(noisy[:1], time) for scale in (1.0, 4.0))
    torch.testing.assert_close(one, four)


def test_what_it_samples_are_training_images_of_the_class():
    latents = clouds()
    model = optimal(latents)
    members = [entry for entry in ENTRIES for _ in range(4)]
    noise = torch.randn(len(members), *SHAPE, generator=torch.Generator().manual_seed(5))
    found = sample(noise, Guided(model, model.condition(members), 1.0), ALPHAS, 50, 49)
    for entry, latent in zip(members, found, strict=True):
        # A little noise of timestep 1, at which the DDIM of D3HR ends, remains.
        distance = (latents[entry.id] - latent).square().mean((1, 2, 3)).sqrt().min()
        assert distance < 2 * (1 - ALPHAS[1]).sqrt()
    assert len({int((latents["ant"] - x).square().sum((1, 2, 3)).argmin()) for x in found[:4]}) > 1


# ---------------------------------------------------------------- stages


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """vae/, classes.csv, latents in two shards and in one, and the denoiser that knows them, ideal/."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    latents = {c: found.numpy() for c, found in clouds().items()}
    rows = {c: np.arange(len(found)) for c, found in latents.items()}
    for name, ids in (("0000", CLASSES[:2]), ("0001", CLASSES[2:]), ("all", CLASSES)):
        write_latents(folder / f"{name}.safetensors", {c: latents[c] for c in ids}, rows)
    shards = [str(folder / f"{name}.safetensors") for name in ("0001", "0000")]
    memorise_latents(shards, str(folder / "classes.csv"), str(folder / "ideal"))
    return folder


def files(home: Path) -> dict:
    codec = CodecFiles(str(home / "vae"), "float32", SIDE)
    return {"model": ModelFiles(str(home / "ideal"), kind="optimal"), "codec": codec}


def test_a_directory_holds_all_latents_in_the_order_of_the_class_table(home):
    model = load_diffusion(*files(home).values())
    assert model.latent_shape == SHAPE
    assert model.condition(ENTRIES)["row"].tolist() == [0, 1, 2, 3]
    for found, expected in zip(model._images, clouds().values(), strict=True):
        torch.testing.assert_close(found, expected.flatten(1), rtol=0, atol=0)
    torch.testing.assert_close(model.alphas_cumprod, ALPHAS, rtol=0, atol=0)
    model.check_classes(read_classes(home / "classes.csv"))
    with pytest.raises(RetortError, match="the optimal denoiser has no latents of elk"):
        model.check_classes([*ENTRIES, ClassEntry(4, "elk", "elk")])


def test_latents_of_another_shape_than_the_encoder_makes_are_refused(home):
    codec = CodecFiles(str(home / "vae"), "float32", 2 * SIDE)
    with pytest.raises(RetortError, match=r"ideal works on latents \(4, 8, 8\), but .*vae makes \(4, 16, 16\)"):
        load_diffusion(files(home)["model"], codec)


def test_latents_that_are_not_finite_are_not_memorised(tmp_path, home):
    latents = {c: found.numpy() for c, found in clouds().items()}
    latents["cat"][2, 0, 0, 0] = np.nan
    shard = write_latents(tmp_path / "0.safetensors", latents, {})
    with pytest.raises(RetortError, match="class cat"):
        memorise_latents([str(shard)], str(home / "classes.csv"), str(tmp_path / "ideal"))
    assert not (tmp_path / "ideal").exists()


@pytest.mark.parametrize(
    "sampling",
    [
        sampling_by("ddim", 20, 19, 1.5),
        sampling_by({"kind": "ddim", "eta": 0.5}, 20, 19, 1.0),
        sampling_by("ddpm", 20, None, 2.0),
        sampling_by("dpm++", 12, None, 2.0),
    ],
    ids=["ddim", "ddim with noise", "ddpm", "dpm++"],
)
def test_every_sampler_makes_the_same_images_in_any_batch_and_shard(tmp_path, home, sampling):
    """The null branch and the class, in single precision: each image hardly differs from one of its class."""

    def made(classes: list[int], batch: int) -> dict[str, np.ndarray]:
        path, settings = tmp_path / "images.safetensors", {"number": 3, "side": SIDE, "dataset": "toy", "seed": 0}
        inputs = [str(home / "classes.csv"), *[None] * 6, str(path), kept(tmp_path)]
        settings |= {"start": NOISE, "sampling": sampling, "class_indices": classes, "batch": batch}
        generate_images(*inputs, **files(home), **settings)
        return read(path)

    whole, alone = made([0, 1, 2, 3], 5), made([2], 2)
    np.testing.assert_allclose(alone["latents"], whole["latents"][6:9], rtol=0, atol=1e-4)
    for latent, label in zip(whole["latents"], whole["class_index"], strict=True):
        distances = (clouds()[CLASSES[label]].numpy() - latent) ** 2
        assert np.sqrt(distances.mean((1, 2, 3)).min()) < 0.25


def test_latents_are_refined_with_it(tmp_path, home):
    """A latent between the images of its class moves to one of them, and the loss falls."""
    latents = torch.stack([0.7 * found[0] + 0.3 * found[1] for found in clouds().values()]).numpy()
    pool = {"latents": latents, "pixels": np.zeros((4, SIDE, SIDE, 3), np.uint8)}
    write_tensors(tmp_path / "pool.safetensors", pool | {"class_index": np.arange(4), "index": np.zeros(4, np.int64)})
    keys = {"iterations": 60, "lr": 0.05, "steps": 50, "share": 0.25, "condition": "class", "timestep": "mapped"}
    settings = {"class_indices": [0, 1, 2, 3], "ipc": 1, "side": SIDE, "dataset": "toy", "seed": 0, "batch": 3}
    settings |= {"refinement": part_of("refinements", keys)}
    paths = [str(tmp_path / name) for name in ("pool.safetensors", "refined.safetensors")]
    refine_latents(str(home / "classes.csv"), paths[0], [], paths[1], **files(home), **settings)
    found = read(Path(paths[1]))
    before, after = (found[f"loss_{when}"][:3] for when in ("before", "after"))
    assert (after < 0.5 * before).all()
    for label in range(3):  # the images of the last class are nearly one
        own = clouds()[CLASSES[label]].numpy()
        was, now = (np.sqrt(((own - x[label]) ** 2).mean((1, 2, 3)).min()) for x in (latents, found["latents"]))
        assert now < 0.5 * was


def test_inverted_latents_come_with_a_warning(tmp_path, home, capsys):
    settings = {"class_ids": CLASSES, "steps": 10, "stop": 6, "guidance": 1.0, "batch": 4}
    paths = [str(home / "all.safetensors"), str(home / "classes.csv"), str(tmp_path / "statistics.safetensors")]
    invert_latents(*paths, kept(tmp_path), **files(home), **settings)
    assert "warning: these latents were inverted with an optimal denoiser, which knows each" in capsys.readouterr().out
    assert np.isfinite(read(Path(paths[2]))["variance"]).all()


def test_typicality_is_high_where_the_class_helps(tmp_path, home):
    """Classes lie apart here, so that at much noise the class always says more of the noise than all classes do."""
    settings = {"class_ids": CLASSES, "draws": 6, "low": 0.4, "high": 0.9, "dataset": "toy", "seed": 0, "batch": 4}
    paths = [str(home / "all.safetensors"), str(home / "classes.csv"), str(tmp_path / "maps.safetensors")]
    score_typicality(*paths, kept(tmp_path), **files(home), **settings)
    maps = read(Path(paths[2]))
    assert all(np.isfinite(maps[f"maps/{c}"]).all() for c in CLASSES)
    assert np.mean([maps[f"maps/{c}"].mean() for c in CLASSES]) > 0
