"""How far inverted latents spread, against a model that is known exactly, and what is said where they do not fit it."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.helpers.gaussian import GaussianDiffusion
from tests.helpers.tiny_models import files, kept, read, write_classes, write_latents

from retort.artifacts.inversions import read_spreads
from retort.methods.spread import Spread, expected_spread, said_of, spread_of
from retort.stages.pictures.draw_inversion import draw_inversion
from retort.stages.shared import invert_latents as stage
from retort.stages.shared.invert_latents import invert_latents

IDS, SHAPE, COUNT = ["ant", "bee", "cat"], (3, 4, 4), 400


def model(null: float = 0.6) -> GaussianDiffusion:
    """Three classes of variances 0.1, 0.3 and 0.9, and a null class of variance `null`."""
    rng = torch.Generator().manual_seed(0)
    mean = 0.3 * torch.randn(4, *SHAPE, generator=rng, dtype=torch.float64)
    variance = torch.tensor([0.1, 0.3, 0.9, null], dtype=torch.float64).view(4, 1, 1, 1).expand(4, *SHAPE)
    return GaussianDiffusion(mean, variance, torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000).double(), 0))


def inverted(
    home: Path, monkeypatch, capsys, guidance: float = 1.0, latents=None, diffusion=None, steps: int = 250
) -> tuple[list[Spread], dict[str, np.ndarray], str]:
    """The spreads of all classes at t = 600, the whole file, and what was printed."""
    home.mkdir(exist_ok=True)
    diffusion = diffusion or model()
    write_classes(home / "classes.csv", IDS)
    drawn = {c: diffusion.draw(i, COUNT, seed=i).numpy().astype(np.float32) for i, c in enumerate(IDS)}
    write_latents(home / "latents.safetensors", latents or drawn, {c: range(COUNT) for c in IDS})
    monkeypatch.setattr(stage, "load_diffusion", lambda *files: diffusion)
    paths = [str(home / name) for name in ("latents.safetensors", "classes.csv", "statistics.safetensors")]
    course = {"steps": steps, "stop": 600 * steps // 1000, "guidance": guidance}
    invert_latents(*paths, kept(home), **files(home), class_ids=IDS, **course, batch=64)
    return read_spreads([paths[2]]), read(Path(paths[2])), capsys.readouterr().out


def test_a_gaussian_class_spreads_as_its_closed_form_says_and_stays_normal(tmp_path, monkeypatch, capsys):
    spreads, statistics, said = inverted(tmp_path, monkeypatch, capsys)
    signal = model().alphas_cumprod[600].item()
    for spread, variance in zip(spreads, (0.1, 0.3, 0.9), strict=True):
        exact = math.sqrt(1 - signal + signal * variance)
        assert spread.expected == pytest.approx(exact, rel=0.01)
        assert spread.observed == pytest.approx(spread.expected, rel=0.03)  # the grid's own error
        assert abs(spread.negentropy) < 0.002
    assert [s.observed for s in spreads] == pytest.approx([spread_of(v) for v in statistics["variance"]])
    assert "warning" not in said
    line = r"^(\w+): inverted latents spread by [\d.]+ where [\d.]+ is expected; negentropy in nats"
    assert re.findall(line, said, re.M) == IDS


def test_an_inversion_on_a_finer_grid_comes_nearer_to_the_closed_form(tmp_path, monkeypatch, capsys):
    off = {}
    for steps in (10, 50, 250):
        spreads, _, _ = inverted(tmp_path / str(steps), monkeypatch, capsys, steps=steps)
        off[steps] = max(abs(s.ratio - 1) for s in spreads)
    assert off[10] > off[50] > off[250]


def test_guidance_that_is_too_strong_for_the_model_is_said_with_the_remedy(tmp_path, monkeypatch, capsys):
    """Where the null class is wide, strong guidance towards a narrow class spreads its inverted latents too far."""
    spreads, _, said = inverted(tmp_path, monkeypatch, capsys, guidance=6.0)
    assert spreads[0].ratio > 1.25
    wide = r"^warning: the inverted latents of \d of 3 classes \(most of class ant, [\d.]+ where [\d.]+ is expected\) "
    assert re.search(
        wide + r"spread more than 1\.25 times as far as expected; lower the inversion's guidance", said, re.M
    )


def test_latents_that_become_less_normal_are_said(tmp_path, monkeypatch, capsys):
    diffusion = model()
    eps = GaussianDiffusion.eps

    def odd(self, latents, timesteps, condition):
        return eps(self, latents, timesteps, condition) + 0.4 * (latents > 0.8)

    monkeypatch.setattr(GaussianDiffusion, "eps", odd)
    spreads, _, said = inverted(tmp_path, monkeypatch, capsys, diffusion=diffusion)
    assert max(s.negentropy for s in spreads) > 0.01
    assert re.search(r"warning: the inverted latents of \d of 3 classes are less normal than the latents they", said)


def test_clean_latents_that_are_not_normal_are_measured_and_become_more_normal(tmp_path, monkeypatch, capsys):
    """Two clusters in a class, inverted by a model of both, come out nearer to normal: D3HR's claim."""
    rng = np.random.default_rng(0)
    two = np.sign(rng.standard_normal((COUNT, *SHAPE))) + 0.2 * rng.standard_normal((COUNT, *SHAPE))

    class TwoClusters(GaussianDiffusion):
        """Each coordinate of each class is +1 or -1, with a standard deviation of 0.2."""

        def eps(self, latents, timesteps, condition):
            signal = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
            spread, noise = signal * 0.04 + 1 - signal, (1 - signal).sqrt()
            mean = torch.tanh(latents * signal.sqrt() / spread)
            return noise * (latents - signal.sqrt() * mean) / spread

    diffusion = model()
    diffusion.__class__ = TwoClusters
    latents = {c: two.astype(np.float32) for c in IDS}
    spreads, _, said = inverted(tmp_path, monkeypatch, capsys, latents=latents, diffusion=diffusion)
    for spread in spreads:
        assert spread.clean_negentropy > 0.05
        assert spread.negentropy < 0.2 * spread.clean_negentropy
        assert spread.ratio == pytest.approx(1, abs=0.05)
    assert "warning" not in said


def test_what_is_resumed_has_the_same_spreads(tmp_path, monkeypatch, capsys):
    whole, _, _ = inverted(tmp_path / "whole", monkeypatch, capsys)
    home, calls = tmp_path / "killed", []
    convert = stage._statistics

    def killed(*arguments):
        calls.append(arguments[-1])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return convert(*arguments)

    folder = kept(home)
    monkeypatch.setitem(globals(), "kept", lambda home: folder)
    monkeypatch.setattr(stage, "_statistics", killed)
    with pytest.raises(KeyboardInterrupt):
        inverted(home, monkeypatch, capsys)
    monkeypatch.setattr(stage, "_statistics", convert)
    resumed, _, said = inverted(home, monkeypatch, capsys)
    assert said.count("resuming: class") == 2
    assert resumed == whole


def test_expected_spread_is_that_of_noise_added_to_the_latents():
    rng = np.random.default_rng(0)
    clean = rng.standard_normal((200_000, 3)) * [0.2, 1.0, 1.6]
    for signal in (0.0, 0.3, 0.99, 1.0):
        noisy = math.sqrt(signal) * clean + math.sqrt(1 - signal) * rng.standard_normal(clean.shape)
        assert expected_spread(clean.var(axis=0), signal) == pytest.approx(spread_of(noisy.var(axis=0)), rel=0.01)


@pytest.mark.parametrize(
    ("spread", "words"),
    [
        (Spread(1.31, 0.99, 0.0, 0.1), "spread more than 1.25 times as far"),
        (Spread(0.70, 0.99, 0.0, 0.1), "spread less than 0.8 times as far"),
        (Spread(0.99, 0.99, 0.2, 0.1), "1 of 2 classes are less normal"),
        (Spread(0.85, 0.99, 0.009, 0.0), None),  # 0.86 times, and no more than is noticed
        (Spread(1.20, 0.99, 0.1, 0.1), None),
    ],
)
def test_what_is_said_of_a_class(spread, words):
    said = said_of({"ant": Spread(1.0, 1.0, 0.0, 0.0), "bee": spread})
    assert len(said) == (words is not None)
    assert words is None or (words in said[0] and "most of class bee" in said[0])


def test_the_picture_marks_each_class_at_its_spread(tmp_path, monkeypatch, capsys):
    inverted(tmp_path, monkeypatch, capsys, guidance=6.0)
    statistics, figures = str(tmp_path / "statistics.safetensors"), []
    for most in (3, 1):
        draw_inversion([statistics], str(tmp_path / "classes.csv"), str(tmp_path / f"{most}.png"), most_classes=most)
        figures.append(np.asarray(Image.open(tmp_path / f"{most}.png").convert("RGB")).astype(int))
    found = []
    for figure in figures:  # marks in the left half, by the gaps between their rows; the first is the legend's
        orange = np.abs(figure[:, : figure.shape[1] // 2] - [0xD5, 0x5E, 0x00]).sum(-1).min(1) < 30
        found.append(int((np.diff(orange.astype(int)) == 1).sum()) - 1)
    assert found == [3, 1]
