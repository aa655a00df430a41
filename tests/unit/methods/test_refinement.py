"""CaO2's refinement: a batch is a loop, the loss falls, and nothing but the latent moves."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.gaussian import GaussianDiffusion

from retort.methods.ancestral import respace
from retort.methods.refinement import draw_indices, refine

STEPS, ITERATIONS, N = 20, 30, 5


@pytest.fixture
def model():
    return GaussianDiffusion.random()


class Network(torch.nn.Module):
    """A denoiser that mixes neighbours and channels, is not linear, and knows its timestep."""

    def __init__(self, channels=3):
        super().__init__()
        self.first = torch.nn.Conv2d(channels, 8, 3, padding=1, dtype=torch.float64)
        self.second = torch.nn.Conv2d(8, channels, 3, padding=1, dtype=torch.float64)
        self.asked = []

    def forward(self, latents, times):
        self.asked.append((latents.detach().clone(), times.clone()))
        return self.second(torch.tanh(self.first(latents) + times.view(-1, 1, 1, 1) / 50))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


@pytest.fixture
def case(model):
    """latents, noise (5, 3, 2, 2) and indices (5, 30), different for each image."""
    rng = torch.Generator().manual_seed(1)
    shape = (N, *model.latent_shape)
    latents, noise = (torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(2))
    indices = np.stack([draw_indices(STEPS, 0.5, ITERATIONS, np.random.default_rng(i)) for i in range(N)])
    return latents, noise, torch.from_numpy(indices)


def refined(model, case, eps, **changes):
    settings = {"lr": 0.01, "peak_weight": 10.0} | changes
    return refine(*case[:2], eps, respace(model.alphas_cumprod, STEPS), case[2], **settings)


def of_null(model):
    """The Gaussian model's noise under the null condition."""
    return lambda x, t: model.eps(x, t, model.null(len(x)))


def one_by_one(model, case, eps, lr, peak_weight, timestep):
    """Image after image, with Adam written out (Kingma and Ba 2015, algorithm 1)."""
    alphas = model.alphas_cumprod[np.round(np.linspace(0, len(model.alphas_cumprod) - 1, STEPS)).astype(int)]
    times = torch.from_numpy(np.round(np.linspace(0, len(model.alphas_cumprod) - 1, STEPS)).astype(int))
    ends, losses = [], []
    for start, noise, indices in zip(*case, strict=True):
        latent, first, second, loss_of = start[None].clone(), 0.0, 0.0, []
        for i, index in enumerate(indices.tolist(), 1):
            variable = latent.clone().requires_grad_()
            noisy = alphas[index].sqrt() * variable + (1 - alphas[index]).sqrt() * noise
            told = torch.tensor([index]) if timestep == "index" else times[index : index + 1]
            missed = noise - eps(noisy, told)
            loss = (missed**2).mean() + peak_weight * missed.abs().max()
            gradient = torch.autograd.grad(loss, variable)[0]
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            latent = latent - lr * (first / (1 - 0.9**i)) / ((second / (1 - 0.999**i)).sqrt() + 1e-8)
            loss_of.append(loss.item())
        ends.append(latent)
        losses.append(loss_of)
    return torch.cat(ends), torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("timestep", ["index", "mapped"])
def test_a_batch_is_what_one_image_after_the_other_gives(model, network, case, timestep):
    found, loss = refined(model, case, network, timestep=timestep)
    expected, expected_loss = one_by_one(model, case, network, 0.01, 10.0, timestep)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(loss, expected_loss, rtol=0, atol=1e-11)
    assert loss.shape == (N, ITERATIONS)
    assert (found - case[0]).abs().max() > 0.01


def test_a_batch_is_what_batches_of_one_give(model, network, case):
    found, loss = refined(model, case, network)
    for i in range(N):
        alone = refined(model, tuple(part[i : i + 1] for part in case), network)
        torch.testing.assert_close(found[i : i + 1], alone[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(loss[i : i + 1], alone[1], rtol=0, atol=1e-12)


def test_the_order_and_the_company_of_images_change_nothing(model, network, case):
    found, loss = refined(model, case, network)
    order = torch.tensor([3, 0, 4])
    other = refined(model, tuple(part[order] for part in case), network)
    torch.testing.assert_close(other[0], found[order], rtol=0, atol=1e-12)
    torch.testing.assert_close(other[1], loss[order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("peak_weight", [0.0, 1.0, 10.0])
@pytest.mark.parametrize(("timestep", "share"), [("index", 0.99), ("mapped", 0.9)])
def test_the_loss_falls(model, case, timestep, share, peak_weight):
    """With one step index throughout, so that only the latent changes.

    Told the index, which stands for next to no noise, this model predicts little of it wherever the latent is.
    """
    steady = (*case[:2], torch.full_like(case[2], 4).repeat(1, 5))
    _, loss = refined(model, steady, of_null(model), timestep=timestep, peak_weight=peak_weight)
    assert (loss[:, -1] < share * loss[:, 0]).all()
    assert (loss[:, -15:].mean(dim=1) < loss[:, :15].mean(dim=1)).all()


def test_the_first_loss_is_of_the_latents_as_they_came(model, network, case):
    _, loss = refined(model, case, network, peak_weight=3.0)
    alphas = torch.from_numpy(respace(model.alphas_cumprod, STEPS).alphas_cumprod)[case[2][:, 0]].view(-1, 1, 1, 1)
    with torch.no_grad():
        missed = case[1] - network(alphas.sqrt() * case[0] + (1 - alphas).sqrt() * case[1], case[2][:, 0])
    expected = (missed**2).flatten(1).mean(1) + 3 * missed.abs().flatten(1).max(1).values
    torch.testing.assert_close(loss[:, 0], expected, rtol=1e-12, atol=0)


def test_the_timestep_that_the_model_is_told_is_the_index_or_what_it_stands_for(model, network, case):
    schedule = respace(model.alphas_cumprod, STEPS)
    asked = {}
    for timestep in ("index", "mapped"):
        network.asked.clear()
        refined(model, case, network, timestep=timestep)
        asked[timestep] = list(network.asked)
    told = {name: torch.stack([t for _, t in asked[name]], 1) for name in asked}
    assert torch.equal(told["index"], case[2])
    assert torch.equal(told["mapped"], torch.tensor(schedule.timesteps)[case[2]])
    assert torch.equal(asked["index"][0][0], asked["mapped"][0][0])  # the noise is the timestep's in both


def test_neither_the_weights_nor_the_inputs_are_touched(model, network, case):
    network.requires_grad_(False)
    weights = {name: w.clone() for name, w in network.state_dict().items()}
    copies = [part.clone() for part in case]
    found, loss = refined(model, case, network)
    assert all(torch.equal(w, weights[name]) for name, w in network.state_dict().items())
    assert all(w.grad is None for w in network.parameters())
    assert all(torch.equal(part, copy) for part, copy in zip(case, copies, strict=True))
    assert not found.requires_grad
    assert not loss.requires_grad


def test_weights_that_could_be_trained_gather_no_gradient(model, network, case):
    assert all(w.requires_grad for w in network.parameters())
    refined(model, case, network)
    assert all(w.grad is None for w in network.parameters())


def test_it_works_where_gradients_are_off(model, network, case):
    usual, _ = refined(model, case, network)
    with torch.no_grad():
        found, _ = refined(model, case, network)
    assert torch.equal(found, usual)


def test_under_inference_mode_it_fails_rather_than_leave_the_latents_as_they_were(model, network, case):
    """torch keeps no graph there, whatever is enabled within: a stage must not call it so."""
    with torch.inference_mode(), pytest.raises(RuntimeError, match="does not require grad"):
        refined(model, case, network)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_latents_keep_their_precision(model, case, dtype):
    latents, noise = (part.to(dtype) for part in case[:2])
    seen = []

    def eps(x, t):
        seen.append(x.dtype)
        return x * 0.5

    found, loss = refined(model, (latents, noise, case[2]), eps)
    assert {found.dtype, loss.dtype, *seen} == {dtype}


def test_the_progress_sees_every_iteration_once(model, network, case):
    counted = []

    def progress(steps):
        for step in steps:
            counted.append(step)
            yield step

    found, _ = refined(model, case, network, progress=progress)
    assert len(counted) == ITERATIONS
    assert torch.equal(found, refined(model, case, network)[0])


# ---------------------------------------------------------------- which steps


@given(st.integers(2, 200), st.floats(0.01, 1), st.integers(0, 2**31))
@settings(max_examples=100, deadline=None)
def test_indices_lie_in_the_share_and_never_at_the_clean_end(steps, share, seed):
    end = int(steps * share)
    if end < 2:
        with pytest.raises(ValueError, match=rf"of {steps} steps leaves no step to draw from"):
            draw_indices(steps, share, 10, np.random.default_rng(seed))
        return
    drawn = draw_indices(steps, share, 10, np.random.default_rng(seed))
    assert drawn.shape == (10,)
    assert drawn.dtype == np.int64
    assert 1 <= drawn.min() <= drawn.max() <= end - 1
    np.testing.assert_array_equal(drawn, draw_indices(steps, share, 10, np.random.default_rng(seed)))


def test_indices_are_uniform_from_one_to_the_last_of_the_share():
    drawn = draw_indices(50, 0.25, 11_000, np.random.default_rng(0))
    counts = np.bincount(drawn)
    assert len(counts) == 12  # int(50 / 4) = 12 is left out
    assert counts[0] == 0
    assert np.abs(counts[1:] - 1000).max() < 5 * 1000**0.5


def test_a_share_without_steps_is_an_error_that_says_what_to_raise():
    with pytest.raises(ValueError, match=r"a share of 0\.25 of 7 steps leaves no step to draw from; raise either"):
        draw_indices(7, 0.25, 3, np.random.default_rng(0))
