"""DDIM against closed forms: with a Gaussian denoiser every step is an affine map that can be written down.

The formulas here are in other variables than the code's: y = x / sqrt(alpha-bar) moves by eps times the change of
the noise-to-signal ratio (the probability-flow equation's Euler step).
"""

import math

import pytest
import torch
from tests.helpers.gaussian import GaussianDiffusion, entries

from retort.methods.ddim import grid_stride, invert, sample
from retort.methods.guidance import Guided
from retort.methods.moments import RunningMoments

NULL = -1


@pytest.fixture
def model():
    return GaussianDiffusion.random()


def exact(result, expected):
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)


def ratio(signal):
    return math.sqrt(1 / signal - 1)


def eps_map(model, row, scale, t):
    """Gain and offset (C, H, W) of the guided noise, eps = gain x + offset, for timestep t."""
    signal = model.alphas_cumprod[t].item()

    def branch(k):
        gain = math.sqrt(1 - signal) / (1 + signal * (model.variance[k] - 1))
        return gain, -gain * math.sqrt(signal) * model.mean[k]

    (gain, offset), (null_gain, null_offset) = branch(row), branch(NULL)
    return scale * gain + (1 - scale) * null_gain, scale * offset + (1 - scale) * null_offset


def step_map(model, row, scale, asked, source, target):
    """Gain and offset of one DDIM step from timestep `source` to `target`, with the noise asked for at `asked`."""
    gain, offset = eps_map(model, row, scale, asked)
    now, then = (model.alphas_cumprod[t].item() for t in (source, target))
    grow, move = math.sqrt(then / now), math.sqrt(then) * (ratio(then) - ratio(now))
    return grow + move * gain, move * offset


def inversion_steps(stride, stop):
    """(asked, source, target) of each step: D3HR asks at the timestep that it moves to."""
    return [(stride * i, stride * (i - 1), stride * i) for i in range(1, stop + 1)]


def sampling_steps(stride, first):
    """(asked, source, target) of each step: D3HR never goes below timestep 1."""
    return [(stride * i, stride * i, max(1, stride * (i - 1))) for i in range(first, -1, -1)]


def compose(model, row, scale, steps):
    """Gain and offset (C, H, W) of steps in a row."""
    gain, offset = torch.ones(model.latent_shape, dtype=torch.float64), torch.zeros(model.latent_shape)
    for step in steps:
        a, b = step_map(model, row, scale, *step)
        gain, offset = a * gain, a * offset + b
    return gain, offset


def recorded(denoise):
    """The denoiser, and the list of latents that it will have been shown."""
    shown = []

    def spy(latents, t):
        shown.append(latents.clone())
        return denoise(latents, t)

    return spy, shown


CASES = pytest.mark.parametrize(("steps", "scale"), [(50, 4.0), (50, 1.0), (10, 2.5), (30, 4.0)])


@CASES
def test_every_inversion_step_is_the_closed_form(model, steps, scale):
    """30 steps do not divide 1,000 timesteps, so the grid then ends early."""
    row, stop, stride = 1, steps - 1, 1000 // steps
    denoise, shown = recorded(Guided(model, model.condition(entries(row, row)), scale))
    end = invert(model.draw(row, 2, seed=5), denoise, model.alphas_cumprod, steps, stop)
    shown.append(end)
    assert len(shown) == stop + 1
    for step, before, after in zip(inversion_steps(stride, stop), shown[:-1], shown[1:], strict=True):
        gain, offset = step_map(model, row, scale, *step)
        exact(after, gain * before + offset)


@CASES
def test_every_sampling_step_is_the_closed_form(model, steps, scale):
    row, first, stride = 2, steps - 1, 1000 // steps
    denoise, shown = recorded(Guided(model, model.condition(entries(row, row)), scale))
    end = sample(model.draw(row, 2, seed=6), denoise, model.alphas_cumprod, steps, first)
    shown.append(end)
    assert len(shown) == first + 2
    for step, before, after in zip(sampling_steps(stride, first), shown[:-1], shown[1:], strict=True):
        gain, offset = step_map(model, row, scale, *step)
        exact(after, gain * before + offset)


@CASES
def test_whole_trajectories_are_the_product_of_the_maps(model, steps, scale):
    """Every image follows its own class, also when classes share a batch."""
    stride, stop, rows = 1000 // steps, steps // 2, [0, 2, 1, 2]
    start = torch.cat([model.draw(row, 1, seed=10 + i) for i, row in enumerate(rows)])
    denoise = Guided(model, model.condition(entries(*rows)), scale)
    inverted = invert(start, denoise, model.alphas_cumprod, steps, stop)
    sampled = sample(start, denoise, model.alphas_cumprod, steps, stop)
    for i, row in enumerate(rows):
        gain, offset = compose(model, row, scale, inversion_steps(stride, stop))
        exact(inverted[i], gain * start[i] + offset)
        gain, offset = compose(model, row, scale, sampling_steps(stride, stop))
        exact(sampled[i], gain * start[i] + offset)


def test_inversion_approaches_the_exact_flow_of_a_gaussian(model):
    """Along the probability flow the standardised value (x - mean_t) / std_t of a Gaussian never changes."""
    row, start, t = 1, model.draw(1, 20, seed=7), 600
    signal = model.alphas_cumprod[[0, t]].view(2, 1, 1, 1)
    mean, std = signal.sqrt() * model.mean[row], (signal * model.variance[row] + 1 - signal).sqrt()
    flowed = mean[1] + std[1] * (start - mean[0]) / std[0]
    denoise = Guided(model, model.condition(entries(*[row] * len(start))), 1.0)
    errors = []
    for steps in (10, 50, 250):
        stop = t * steps // 1000
        errors.append((invert(start, denoise, model.alphas_cumprod, steps, stop) - flowed).abs().max().item())
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 0.05


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_the_round_trip_error_falls_as_the_steps_grow(model, scale):
    """Inversion to t = 600 and sampling from there again, with `first` matching where the inversion stopped."""
    row, start = 0, model.draw(0, 20, seed=8)
    denoise = Guided(model, model.condition(entries(*[row] * len(start))), scale)
    errors = []
    for steps in (10, 50, 250):
        stop = 600 * steps // 1000
        noisy = invert(start, denoise, model.alphas_cumprod, steps, stop)
        again = sample(noisy, denoise, model.alphas_cumprod, steps, stop)
        errors.append((again - start).abs().max().item())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_statistics_of_inverted_samples_are_the_analytic_ones(model, scale):
    row, steps, stop, n = 1, 50, 30, 4000
    start = model.draw(row, n, seed=9)
    moments = RunningMoments(model.latent_shape)
    for chunk in start.split(900):
        denoise = Guided(model, model.condition(entries(*[row] * len(chunk))), scale)
        moments.add(invert(chunk, denoise, model.alphas_cumprod, steps, stop).numpy())
    mean, variance = torch.from_numpy(moments.mean), torch.from_numpy(moments.variance)

    gain, offset = compose(model, row, scale, inversion_steps(20, stop))
    torch.testing.assert_close(mean, gain * start.mean(0) + offset, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(variance, gain**2 * start.var(0), rtol=1e-10, atol=1e-10)

    true_variance = gain**2 * model.variance[row]
    standard_errors = (mean - gain * model.mean[row] - offset).abs() / (true_variance / n).sqrt()
    assert standard_errors.max() < 4
    assert ((variance / true_variance - 1).abs() / math.sqrt(2 / n)).max() < 4


@pytest.mark.parametrize(("steps", "stop"), [(50, 30), (50, 0), (10, 3), (30, 29)])
def test_inversion_asks_once_per_step_up_to_stop_and_no_further(model, steps, stop):
    stride = 1000 // steps
    start = model.draw(0, 2, seed=1)
    result = invert(start, Guided(model, model.condition(entries(0, 0)), 4.0), model.alphas_cumprod, steps, stop)
    asked = [set(times) for times, _ in model.calls]
    assert asked == [{stride * i} for i in range(1, stop + 1)]
    assert torch.equal(result, start) == (stop == 0)


@pytest.mark.parametrize(("steps", "first"), [(50, 49), (50, 31), (50, 0), (30, 29)])
def test_sampling_asks_once_per_step_down_to_timestep_zero(model, steps, first):
    """From pure noise (first = steps - 1) that is `steps` evaluations."""
    stride = 1000 // steps
    start = model.draw(0, 2, seed=1)
    sample(start, Guided(model, model.condition(entries(0, 0)), 4.0), model.alphas_cumprod, steps, first)
    asked = [set(times) for times, _ in model.calls]
    assert asked == [{stride * i} for i in range(first, -1, -1)]
    assert len(asked) == first + 1


@pytest.mark.parametrize("walk", [invert, sample])
def test_images_do_not_influence_one_another(model, walk):
    rows, start = [0, 1, 2], torch.cat([model.draw(row, 1, seed=row) for row in range(3)])
    together = walk(start, Guided(model, model.condition(entries(*rows)), 4.0), model.alphas_cumprod, 50, 20)
    for row in rows:
        denoise = Guided(model, model.condition(entries(row)), 4.0)
        exact(walk(start[row : row + 1], denoise, model.alphas_cumprod, 50, 20)[0], together[row])


@pytest.mark.parametrize("walk", [invert, sample])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_start_keeps_its_values_and_its_precision(model, walk, dtype):
    start = model.draw(0, 2, seed=3).to(dtype)
    before = start.clone()
    result = walk(start, lambda x, t: 0.1 * x, model.alphas_cumprod, 50, 10)
    assert result.dtype == dtype
    assert torch.equal(start, before)


@pytest.mark.parametrize("steps", [0, -1, 1001])
@pytest.mark.parametrize("walk", [invert, sample])
def test_an_impossible_number_of_steps_is_refused(model, walk, steps):
    with pytest.raises(ValueError, match=rf"1\.\.1000, found {steps}"):
        walk(model.draw(0, 1, seed=0), lambda x, t: x, model.alphas_cumprod, steps, 1)


def test_the_grid_is_the_whole_part_of_the_timesteps_over_the_steps():
    assert [grid_stride(torch.ones(1000), steps) for steps in (1, 30, 50, 1000)] == [1000, 33, 20, 1]
