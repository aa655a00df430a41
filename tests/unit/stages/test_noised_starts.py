"""Images that start from noised latents: noise at strength 1, the latent itself at 0, and never by shard or batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.parts import sampling as sampling_by
from tests.helpers.tiny_models import CLASSES, SHAPE, files, generate, save_models, write_random_latents

from retort.artifacts.representatives import write_modes, write_table
from retort.base.tensors import open_tensors
from retort.methods.sampling import Sampling
from retort.models.load import load_diffusion
from retort.models.pixels import to_pixels
from retort.parts.resolve import ours, part_of

IPC, STEPS = 3, 10
SAMPLERS = [cls.model_validate(keys) for cls in ours("samplers").values() for keys in cls.examples]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Models, and for each class the latents of nine images and three that stand for it."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    write_random_latents(folder / "latents.safetensors", dict.fromkeys(CLASSES, 9))
    shard, rows = open_tensors(folder / "latents.safetensors"), [5, 2, 7]
    table = [(label, i, row, f"{row}.png", "random", 1) for label in range(4) for i, row in enumerate(rows)]
    write_table(folder / "seeds.csv", table)
    write_modes(folder / "modes.safetensors", {c: (shard[f"latents/{c}"][rows], np.array(rows)) for c in CLASSES})
    return folder


def seeds_of(home: Path) -> np.ndarray:
    """(4, 3, C, H, W)."""
    modes = open_tensors(home / "modes.safetensors")
    return np.stack([modes[f"latents/{c}"] for c in CLASSES])


def made(home: Path, sampler, strength: float, classes=(0, 1, 2, 3), batch: int = 5, **changes) -> dict:
    start = part_of("starts", {"discovery": "any", "strength": strength})
    sampling = Sampling(sampler, STEPS, start.begins(STEPS), 2.0)
    seeds = (home / "seeds.csv", home / "modes.safetensors")
    settings = {"start": start, "sampling": sampling, "seeds": seeds} | changes
    return generate(home, home / "made.safetensors", list(classes), batch, **settings)


@pytest.fixture(params=SAMPLERS, ids=lambda part: str(part.model_dump(mode="json")))
def sampler(request):
    return request.param


def test_strength_one_is_noise_to_the_last_bit(home, sampler):
    noised = made(home, sampler, 1.0)
    plain = generate(home, home / "plain.safetensors", [0, 1, 2, 3], 5, sampling=Sampling(sampler, STEPS, None, 2.0))
    for key in plain:
        np.testing.assert_array_equal(noised[key], plain[key])
    assert noised["seed_row"].tolist() == [5, 2, 7] * 4


def test_strength_zero_is_the_latent_itself_through_the_codec(home, sampler):
    found = made(home, sampler, 0.0)
    np.testing.assert_array_equal(found["latents"], seeds_of(home).reshape(-1, *SHAPE))
    with torch.inference_mode():
        decoded = to_pixels(load_diffusion(*files(home).values()).decode(torch.from_numpy(found["latents"])))
    assert np.abs(decoded.astype(int) - found["pixels"]).max() <= 1


def test_an_image_depends_on_neither_shard_nor_batch(home, sampler):
    whole = made(home, sampler, 0.5)
    parts = [made(home, sampler, 0.5, shard) for shard in ([0], [1, 2], [3])]
    for key in whole:
        np.testing.assert_array_equal(np.concatenate([p[key] for p in parts]), whole[key])
    other = made(home, sampler, 0.5, batch=1)
    np.testing.assert_allclose(other["latents"], whole["latents"], rtol=1e-4, atol=2e-3)


def test_a_weaker_start_stays_nearer_to_what_it_starts_from(home, sampler):
    distances = [
        np.abs(made(home, sampler, s)["latents"] - seeds_of(home).reshape(-1, *SHAPE)) for s in (0.1, 0.3, 0.9)
    ]
    means = [distance.mean() for distance in distances]
    assert 0 < means[0] < means[1] < means[2]


@pytest.mark.parametrize(("steps", "strength", "asked"), [(50, 0.7, 35), (10, 0.75, 7), (50, 0.01, 0), (25, 0.5, 12)])
def test_as_many_steps_are_made_as_diffusers_makes(steps, strength, asked):
    first = part_of("starts", {"discovery": "any", "strength": strength}).begins(steps)
    assert first == asked - 1
    for part in SAMPLERS:
        grid = part.grid(torch.linspace(0.9999, 0.005, 1000, dtype=torch.float64), steps, first)
        assert asked <= len(grid) <= (asked + part.more_calls if asked else 0)


def test_the_start_has_the_noise_of_the_first_step(home, sampler):
    """sqrt(abar) of the latent and sqrt(1 - abar) of the noise that the image has whatever the method."""
    start, alphas = part_of("starts", {"discovery": "any", "strength": 0.5}), torch.linspace(0.9999, 0.005, 1000)
    signal = sampler.signal(alphas.double(), STEPS, start.begins(STEPS))
    timestep = sampler.grid(alphas.double(), STEPS, start.begins(STEPS))[0]
    assert signal == pytest.approx(float(alphas[timestep]), abs=2e-3)
    fresh, own = torch.ones(SHAPE), torch.full(SHAPE, 3.0)
    begun = start.begin(lambda: fresh, own, signal)
    torch.testing.assert_close(begun, torch.full(SHAPE, 3 * signal**0.5 + (1 - signal) ** 0.5))


def test_a_guide_and_a_start_each_have_their_own(home):
    guide = sampling_by("ddpm", STEPS, 4, 2.0, 0.1, 1.0, "posterior")
    other = [(label, i, row, f"{row}.png", "random", 1) for label in range(4) for i, row in enumerate([0, 1, 3])]
    write_table(home / "other.csv", other)
    aimed = made(home, guide.sampler, 0.5, sampling=guide, guide=(home / "other.csv", home / "latents.safetensors"))
    assert aimed["row"].tolist() == [0, 1, 3] * 4
    assert aimed["seed_row"].tolist() == [5, 2, 7] * 4
    assert not np.array_equal(aimed["latents"], made(home, guide.sampler, 0.5)["latents"])
