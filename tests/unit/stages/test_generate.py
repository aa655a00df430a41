"""From inverted statistics to sampled images: what an image is must not depend on the shard or the batch."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.helpers.parts import sampling as sampling_by
from tests.helpers.tiny_models import CLASSES, SHAPE, SIDE, files, save_models, write_classes, write_latents
from tests.helpers.tiny_models import generate as generated

from retort.base.errors import RetortError
from retort.base.files import write_rows
from retort.base.tensors import open_tensors, write_tensors
from retort.data.images import resized
from retort.models.dit import DiT
from retort.models.load import load_diffusion
from retort.models.pixels import to_pixels
from retort.stages.sets import generate_images as generate

IPC = 3
SAMPLERS = {
    "ddim": sampling_by("ddim", 5, 4, 2.0),
    "ddim with noise": sampling_by({"kind": "ddim", "eta": 0.7}, 5, 4, 2.0),
    "ddpm": sampling_by("ddpm", 5, None, 2.0),
    "dpm++": sampling_by("dpm++", 5, None, 2.0),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """dit/, learned/ and vae/ with random weights, classes.csv."""
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    return folder


def make(home: Path, classes: list[int], batch: int, starts: Path | None = None, **changes) -> dict[str, np.ndarray]:
    """The content of one generated shard."""
    return generated(home, home / "generated.safetensors", classes, batch, starts, **changes)


def noise_of(home: Path, monkeypatch, classes: list[int], **changes) -> torch.Tensor:
    """The latents that the sampler of `make` starts from, one per image."""
    seen = []

    def watch(model, condition, latents, *_):
        seen.append(latents.clone())
        return latents

    with monkeypatch.context() as patch:
        patch.setattr(generate, "sample", watch)
        make(home, classes, batch=1, **changes)
    return torch.cat(seen)


# ---------------------------------------------------------------- generate


@pytest.mark.parametrize("batch", [1, 4, 5, 8, 64])
def test_an_image_is_the_same_to_the_last_bit_whatever_the_shard(home, batch):
    whole = make(home, [0, 1, 2, 3], batch)
    for shards in ([[0, 1], [2, 3]], [[0], [1, 2, 3]], [[0], [1], [2], [3]]):
        parts = [make(home, shard, batch) for shard in shards]
        for name in ("pixels", "class_index", "index"):
            np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), whole[name])
    assert len(np.unique(whole["pixels"].reshape(12, -1), axis=0)) == 12  # and no two images are alike


def test_a_shard_lists_its_classes_and_images_in_label_order(home):
    shard = make(home, [1, 2], 4)
    assert shard["pixels"].shape == (6, SIDE, SIDE, 3)
    assert shard["class_index"].tolist() == [1, 1, 1, 2, 2, 2]
    assert shard["index"].tolist() == [0, 1, 2, 0, 1, 2]
    assert "group" not in shard


def test_batches_of_one_and_eight_differ_by_rounding_only(home):
    one, eight = (make(home, [0, 1, 2, 3], batch)["pixels"].astype(int) for batch in (1, 8))
    difference = np.abs(one - eight)
    assert difference.max() <= 1
    assert np.mean(difference > 0) <= 0.001


@pytest.mark.parametrize("classes", [[0, 1, 2, 3], [1], [2, 3]])
def test_an_image_comes_from_its_own_place_on_the_grid_and_never_from_padding(home, monkeypatch, classes):
    class Places:
        """A model whose images show nothing but their place in the batch."""

        latent_shape, device, alphas_cumprod = SHAPE, torch.device("cpu"), torch.linspace(0.99, 0.1, 1000)

        def check_classes(self, classes):
            assert len(classes) == len(CLASSES)

        def condition(self, classes):
            return self.null(len(classes))

        def null(self, n):
            return {"class_labels": torch.zeros(n)}

        def eps(self, latents, timesteps, condition):
            return torch.zeros_like(latents)

        def decode(self, latents):
            places = torch.arange(len(latents)) * 10 / 127.5 - 1
            return places.view(-1, 1, 1, 1).expand(-1, 3, SIDE, SIDE)

    monkeypatch.setattr(generate, "load_diffusion", lambda *_: Places())
    pixels = make(home, classes, batch=5)["pixels"]
    numbers = [c * IPC + i for c in classes for i in range(IPC)]
    assert pixels[:, 0, 0, 0].tolist() == [number % 5 * 10 for number in numbers]


def test_noise_depends_on_class_id_and_index_not_on_position_or_shard(home, monkeypatch, tmp_path):
    usual = noise_of(home, monkeypatch, [0, 1, 2, 3]).reshape(4, IPC, *SHAPE)
    write_classes(tmp_path / "classes.csv", ["dog", "ant", "cat", "bee"])
    moved = noise_of(home, monkeypatch, [0, 1, 2, 3], table=tmp_path / "classes.csv").reshape(4, IPC, *SHAPE)
    assert torch.equal(moved, usual[[3, 0, 2, 1]])
    assert torch.equal(noise_of(home, monkeypatch, [2]), usual[2])
    more = noise_of(home, monkeypatch, [1], number=IPC + 2)
    assert torch.equal(more[:IPC], usual[1])  # a larger set begins with the noise of a smaller one
    assert len(torch.unique(usual.reshape(12, -1), dim=0)) == 12


def test_noise_is_standard_normal_and_changes_with_seed_and_dataset(home, monkeypatch):
    usual = noise_of(home, monkeypatch, [0, 1, 2, 3])
    assert abs(usual.mean().item()) < 0.08
    assert usual.std().item() == pytest.approx(1, abs=0.06)
    for other in ({"seed": 1}, {"dataset": "other"}):
        assert not torch.isclose(noise_of(home, monkeypatch, [0], **other), usual[:IPC]).any(dim=0).all()


def write_starts(path: Path, latents: np.ndarray) -> Path:
    arrays = {"latents": latents, "group": np.array([7, 8, 9, 10]), "score": np.array([0.5, 0.25, 0.125, 2.0])}
    write_tensors(path, arrays)
    return path


def test_starts_are_what_sampling_begins_with(home, monkeypatch, tmp_path):
    latents = np.random.default_rng(0).standard_normal((4, IPC, *SHAPE)).astype(np.float32)
    starts = write_starts(tmp_path / "starts.safetensors", latents)
    begun = noise_of(home, monkeypatch, [1, 2], starts=starts)
    np.testing.assert_array_equal(begun, latents[1:3].reshape(-1, *SHAPE))


def test_starting_from_the_same_noise_makes_the_same_images_and_names_their_group(home, monkeypatch, tmp_path):
    noise = noise_of(home, monkeypatch, [0, 1, 2, 3]).numpy().reshape(4, IPC, *SHAPE)
    shard = make(home, [1, 2], 4, write_starts(tmp_path / "starts.safetensors", noise))
    np.testing.assert_array_equal(shard["pixels"], make(home, [1, 2], 4)["pixels"])
    assert shard["group"].tolist() == [8, 8, 8, 9, 9, 9]
    assert shard["score"].tolist() == [0.25, 0.25, 0.25, 0.125, 0.125, 0.125]


def test_guidance_steps_and_first_step_all_reach_the_sampler(home):
    usual = make(home, [0], 4)["pixels"]
    for other in (sampling_by("ddim", 5, 4, 3.0), sampling_by("ddim", 10, 9, 2.0), sampling_by("ddim", 5, 3, 2.0)):
        assert not np.array_equal(make(home, [0], 4, sampling=other)["pixels"], usual)


def test_images_are_resized_to_the_side_asked_for(home):
    large = make(home, [0], 4, side=24)["pixels"]
    assert large.shape == (IPC, 24, 24, 3)
    small = make(home, [0], 4)["pixels"]
    np.testing.assert_array_equal(large, [resized(pixels, 24) for pixels in small])


def test_latents_that_are_lost_name_their_class(home, tmp_path):
    latents = np.zeros((4, IPC, *SHAPE), dtype=np.float32)
    latents[2, 1, 0, 0, 0] = np.inf
    starts = write_starts(tmp_path / "starts.safetensors", latents)
    with pytest.raises(
        RetortError, match=r"class cat: a latent in .*starts\.safetensors is not finite; delete the file"
    ):
        make(home, [0, 1, 2, 3], 8, starts)


def test_a_class_table_of_another_length_is_refused(home, tmp_path):
    write_classes(tmp_path / "classes.csv", CLASSES[:3])
    with pytest.raises(RetortError, match="knows 4 classes but the data set has 3"):
        make(home, [0], 4, table=tmp_path / "classes.csv")


def test_latents_are_those_of_the_pixels(home):
    shard = make(home, [1, 2], 4)
    assert shard["latents"].dtype == np.float32
    assert shard["latents"].shape == (6, *SHAPE)
    with torch.inference_mode():
        decoded = to_pixels(load_diffusion(*files(home).values()).decode(torch.from_numpy(shard["latents"])))
    assert np.abs(decoded.astype(int) - shard["pixels"]).max() <= 1


# ---------------------------------------------------------------- every sampler, and pools

ROUNDING = {"rtol": 1e-4, "atol": 2e-3}  # of latents in the hundreds, for the model knows nothing of images


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return request.param


@pytest.mark.parametrize("name", ["dit", "learned"])
def test_with_any_sampler_an_image_depends_on_neither_shard_nor_batch(home, sampler, name):
    settings = {"sampling": SAMPLERS[sampler], "name": name}
    whole = make(home, [0, 1, 2, 3], 5, **settings)
    parts = [make(home, shard, 5, **settings) for shard in ([0], [1, 2], [3])]
    for key in whole:
        np.testing.assert_array_equal(np.concatenate([p[key] for p in parts]), whole[key])
    for batch in (1, 16):
        other = make(home, [0, 1, 2, 3], batch, **settings)
        np.testing.assert_allclose(other["latents"], whole["latents"], **ROUNDING)
        assert np.abs(other["pixels"].astype(int) - whole["pixels"]).max() <= 1
    assert len(np.unique(whole["pixels"].reshape(12, -1), axis=0)) == 12


def test_the_members_of_a_pool_are_the_images_without_one(home, sampler):
    few = make(home, [1, 2], 4, sampling=SAMPLERS[sampler])
    pool = make(home, [1, 2], 4, sampling=SAMPLERS[sampler], number=4 * IPC)
    assert pool["index"].tolist() == [*range(12)] * 2
    assert pool["class_index"].tolist() == [1] * 12 + [2] * 12
    kept = pool["index"] < IPC
    np.testing.assert_allclose(pool["latents"][kept], few["latents"], **ROUNDING)
    assert np.abs(pool["pixels"][kept].astype(int) - few["pixels"]).max() <= 1
    others = pool["latents"][~kept].reshape(2, 3 * IPC, -1)
    assert np.abs(others - few["latents"].reshape(2, IPC, -1)[:, :1]).max(axis=2).min() > 0.1


def test_methods_that_differ_elsewhere_start_from_the_same_noise(home, monkeypatch):
    begun = [noise_of(home, monkeypatch, [1], sampling=s) for s in SAMPLERS.values()]
    assert len(begun) == 4
    assert all(torch.equal(other, begun[0]) for other in begun[1:])


def test_ancestral_noise_is_each_images_own_fresh_at_each_step_and_seeded(home, monkeypatch):
    def drawn(classes, **changes):
        seen = []

        def watch(model, condition, latents, sampling, classes, targets, noise, *_):
            seen.append(torch.stack([latents, noise(), noise()], 1))
            return latents

        with monkeypatch.context() as patch:
            patch.setattr(generate, "sample", watch)
            make(home, classes, batch=IPC, **changes)
        return torch.cat(seen)

    usual = drawn([0, 1, 2, 3])
    assert usual.shape == (12, 3, *SHAPE)
    assert len(torch.unique(usual.reshape(36, -1), dim=0)) == 36  # nor is it the noise of the start
    assert torch.equal(drawn([2]), usual[6:9])
    assert torch.equal(drawn([1], number=IPC + 3)[:IPC], usual[3:6])
    assert abs(usual[:, 1:].mean().item()) < 0.05
    assert usual[:, 1:].std().item() == pytest.approx(1, abs=0.05)
    for other in ({"seed": 1}, {"dataset": "other"}):
        assert not torch.isclose(drawn([0], **other), usual[:IPC]).flatten(2).all(dim=2).any()


def test_a_learned_variance_is_used_by_the_ancestral_sampler_alone(home, monkeypatch):
    usual = {name: make(home, [1], 4, sampling=s, name="learned") for name, s in SAMPLERS.items()}
    with monkeypatch.context() as patch:
        patch.setattr(DiT, "eps_and_variance", lambda self, *a: (network_says(self, *a)[0], None))
        fixed = {name: make(home, [1], 4, sampling=s, name="learned") for name, s in SAMPLERS.items()}
    for name in SAMPLERS:
        assert np.array_equal(fixed[name]["latents"], usual[name]["latents"]) == (name != "ddpm")


def network_says(model, latents, timesteps, condition):
    """Noise and place of a DiT by the network itself: the channels of the latents, then as many of the variance."""
    output = model.transformer(latents, timestep=timesteps, **condition).sample
    return output.chunk(2, dim=1) if output.shape[1] > latents.shape[1] else (output, None)


@pytest.mark.parametrize("name", ["dit", "learned"])
def test_a_dit_splits_noise_and_variance(home, name):
    model = load_diffusion(*files(home, name).values())
    latents, times = torch.randn(3, *SHAPE), torch.tensor([0, 500, 999])
    condition = model.condition([SimpleNamespace(index=i) for i in (0, 3, 1)])
    with torch.inference_mode():
        eps, place = model.eps_and_variance(latents, times, condition)
        expected, expected_place = network_says(model, latents, times, condition)
        assert torch.equal(model.eps(latents, times, condition), eps)
        half, half_place = model.eps_and_variance(latents.double(), times, condition)
    assert torch.equal(eps, expected)
    assert eps.shape == latents.shape
    assert half.dtype == torch.float64  # the latents' precision, not the network's
    if name == "dit":
        assert place is expected_place is half_place is None
    else:
        assert torch.equal(place, expected_place)
        assert half_place.dtype == torch.float64


# ---------------------------------------------------------------- guided towards representatives


PLACES = (5, 0, 3)  # of the representatives among the latents of their class


@pytest.fixture(scope="module")
def guide(home):
    """guide(classes): three representatives a class, and the latents of the seven images of each class."""
    rng = np.random.default_rng(5)
    rows = {c: np.arange(7) * 10 + k for k, c in enumerate(CLASSES)}
    latents = write_latents(home / "clean.safetensors", {c: rng.standard_normal((7, *SHAPE)) for c in CLASSES}, rows)

    def shard(classes: list[int]) -> tuple[Path, Path]:
        path = home / f"representatives{''.join(map(str, classes))}.csv"
        places = [(k, i, rows[CLASSES[k]][place]) for k in classes for i, place in enumerate(PLACES)]
        columns = ["class_index", "index", "row"]
        write_rows(path, columns, [dict(zip(columns, place, strict=True)) for place in places])
        return path, latents

    return shard


def targets_of(home: Path, classes: list[int]) -> np.ndarray:
    latents = open_tensors(home / "clean.safetensors")
    return np.concatenate([latents[f"latents/{CLASSES[k]}"][list(PLACES)] for k in classes])


def strong(sampler: str, strength: float, until: float = 1.0) -> dict:
    usual = SAMPLERS[sampler]
    return {"sampling": sampling_by(usual.sampler, usual.steps, usual.first, 1.0, strength, until)}


def test_images_move_towards_their_representatives_as_strength_grows(home, guide, sampler):
    """Weakly, since five steps of a model that knows nothing of images are long ones."""
    targets = targets_of(home, [1, 2])
    distances = []
    for strength in (0.0, 0.0005, 0.002):
        found = make(home, [1, 2], 4, guide=guide([1, 2]), **strong(sampler, strength))["latents"]
        distances.append(np.linalg.norm((found - targets).reshape(6, -1), axis=1).mean())
    assert distances[0] > distances[1] > distances[2]


def test_image_i_is_guided_towards_the_ith_representative_of_its_class(home, guide, monkeypatch):
    seen, labels = [], []

    def watch(model, condition, latents, sampling, classes, targets, noise, *_):
        seen.append(targets.clone())
        labels.extend(classes)
        return latents

    monkeypatch.setattr(generate, "sample", watch)
    make(home, [1, 2], 1, guide=guide([1, 2]))
    np.testing.assert_array_equal(torch.cat(seen), targets_of(home, [1, 2]))
    assert labels == [1, 1, 1, 2, 2, 2]


def test_guided_images_depend_on_neither_shard_nor_batch(home, guide, sampler):
    def shard(classes, batch):
        return make(home, classes, batch, guide=guide(classes), **strong(sampler, 0.02))

    whole = shard([0, 1, 2, 3], 5)
    parts = [shard(classes, 5) for classes in ([0, 1], [2], [3])]
    for key in whole:
        np.testing.assert_array_equal(np.concatenate([p[key] for p in parts]), whole[key])
    np.testing.assert_allclose(shard([0, 1, 2, 3], 1)["latents"], whole["latents"], **ROUNDING)


def test_the_rows_of_the_representatives_are_recorded(home, guide):
    assert make(home, [1, 2], 4, guide=guide([1, 2]))["row"].tolist() == [51, 1, 31, 52, 2, 32]
    assert "row" not in make(home, [1, 2], 4)


def test_a_guide_without_strength_or_time_changes_no_bit(home, guide, sampler):
    usual = make(home, [1, 2], 4, **strong(sampler, 0.0))
    for strength, until in ((0.0, 1.0), (0.5, 0.0)):
        found = make(home, [1, 2], 4, guide=guide([1, 2]), **strong(sampler, strength, until))
        np.testing.assert_array_equal(found["latents"], usual["latents"])
        np.testing.assert_array_equal(found["pixels"], usual["pixels"])


def test_a_representative_without_a_latent_is_an_error(home, guide, tmp_path):
    listed = [{"class_index": 1, "index": i, "row": row} for i, row in enumerate((51, 1, 999))]
    write_rows(tmp_path / "representatives.csv", ["class_index", "index", "row"], listed)
    with pytest.raises(RetortError, match=r"clean\.safetensors has no latent for row 999 of class bee; delete it"):
        make(home, [1], 4, guide=(tmp_path / "representatives.csv", guide([1])[1]), **strong("ddim", 0.1))
