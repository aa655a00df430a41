"""Trainings that leave the finite numbers: since which step, whose, and what would help."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers import birds
from tests.helpers.stopping import stops
from tests.helpers.tiny_models import read
from torch import Tensor, nn

from retort.base.tensors import read_metadata, write_tensors
from retort.evaluation import student as student_module
from retort.models import vae_training as vae_module
from retort.models.fit import fit
from retort.models.health import LossLost
from retort.models.teacher import Teacher
from retort.stages.evaluation import train_students as students_stage
from retort.stages.models import train_vae as make_vae_module


def test_the_first_step_of_a_lost_loss_is_named_not_that_at_which_it_was_noticed():
    module = nn.Linear(2, 1)

    def loss_at(step: int) -> Tensor:
        return module(torch.ones(1, 2)).sum() * (torch.nan if step == 23 else 1)

    with pytest.raises(LossLost, match=r"the DiT: the loss is nan at step 23; lower the learning rate") as caught:
        fit(module, torch.optim.SGD(module.parameters(), lr=0.1), loss_at, 200, lambda _: 1.0, label="the DiT")
    assert caught.value.step == 23


def test_a_weight_that_the_last_step_loses_is_not_kept():
    module = nn.Linear(1, 1, bias=False)

    def loss_at(step: int) -> Tensor:  # finite, but of infinite slope
        return (module.weight - module.weight.detach()).abs().sqrt().sum()

    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    words = ("the DiT: weight is not finite after the last step; lower the learning rate",)
    stops(words, fit, module, optimizer, loss_at, 1, lambda _: 1.0, label="the DiT")


VAE = {"channels": [8, 8], "layers_per_block": 1, "norm_groups": 4, "latent_channels": 4, "steps": 1, "batch": 2}
VAE |= {"lr": 1e-3, "kl_weight": 1e-6, "precision": "float32"}


@pytest.mark.parametrize("deviation", [0.0, torch.nan, torch.inf])
def test_a_vae_whose_latents_do_not_differ_says_what_to_lower(monkeypatch, deviation):
    monkeypatch.setattr(vae_module, "_latent_std", lambda vae, pixels: deviation)
    words = (f"latents have standard deviation {deviation}", r"lower its train\.lr or train\.kl_weight")
    stops(words, vae_module.trained_vae, np.zeros((4, 16, 16, 3), np.uint8), ("x",), **VAE)


def test_a_vae_that_decodes_to_nothing_is_not_kept(monkeypatch, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
    write_tensors(tmp_path / "split.safetensors", {"pixels": pixels, "labels": np.zeros(4, np.int64)})
    monkeypatch.setattr(make_vae_module, "psnr", lambda vae, pixels: float("nan"))
    split, output = str(tmp_path / "split.safetensors"), tmp_path / "vae"
    words = (r"vae: its PSNR on the validation images is nan; lower its train\.lr",)
    stops(words, make_vae_module.train_vae, split, split, str(output), None, name="vae", seed=0, settings=VAE)
    assert not output.exists()


# ---------------------------------------------------------------- students


@pytest.fixture(scope="module")
def nest(tmp_path_factory) -> Path:
    return birds.make_home(tmp_path_factory.mktemp("nest"))


def test_a_student_names_its_set_and_the_step_at_which_the_loss_was_lost(nest, monkeypatch):
    steps = []

    def lossy(logits: Tensor, *rest) -> Tensor:
        steps.append(len(logits))
        return logits.sum() * (torch.nan if len(steps) == 3 else 1)

    monkeypatch.setattr(students_stage, "hard_loss", lossy)
    words = ("two ipc 2 hard resnet8 seed 0: the loss is nan at step 3; lower the learning rate", r"optimizer\.lr")
    stops(words, birds.train, nest, "hard")


def test_a_student_that_is_lost_in_its_last_step_gets_no_accuracy(nest, monkeypatch):
    correct = student_module.correct_at
    monkeypatch.setattr(student_module, "correct_at", lambda logits, *rest: correct(logits.mul_(torch.inf), *rest))
    words = ("two ipc 2 hard resnet8 seed 0: class number 0: the logits of a test image are not finite", "lower the")
    stops(words, birds.train, nest, "hard")


def test_a_teacher_that_labels_online_is_told_from_a_student_that_diverges(nest, monkeypatch):
    forward = Teacher.forward
    monkeypatch.setattr(Teacher, "forward", lambda self, images: forward(self, images) * 1e9)
    words = (
        r"two ipc 2 online resnet8 seed 0, step 1, class \w+: the teacher's logits are not",
        "float16 holds numbers",
    )
    stops(words, birds.train, nest, "online")


@pytest.mark.parametrize("kind", ["region", "static"])
def test_stored_labels_that_are_damaged_are_refused(nest, tmp_path, kind):
    tensors = read(nest / f"{kind}.safetensors")
    tensors["logits"][5, 1] = np.nan
    write_tensors(tmp_path / "labels.safetensors", tensors, read_metadata(nest / f"{kind}.safetensors"))
    words = (r"label 5: what .*labels\.safetensors holds is not finite", "delete the file and run again")
    stops(words, birds.train, nest, kind, labels=tmp_path / "labels.safetensors")
