"""Crops scored by the length of a teacher's gradient, against gradients that autograd takes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.scored_patches import CROPS, SCORE, SHAPES, cut
from tests.helpers.tiny_models import SIDE, Pictures
from torch.nn import functional as F

from retort.artifacts.patches import read_patches
from retort.methods.mosaics import padded
from retort.models.classifiers import normalised
from retort.models.teacher import load_teacher
from retort.parts.resolve import part_of
from retort.stages.shared.score_crops import score_crops


def cropped(home: Path, pictures: Pictures, **keys):
    paths = (pictures.manifest, pictures.table, str(home / "teacher"), str(home / "crops.csv"))
    score_crops(*paths, class_ids=list(SHAPES), score=part_of("scores", SCORE | keys), **CROPS)
    return read_patches(str(home / "crops.csv"))


def gradients(home: Path, pictures: Pictures, patches) -> dict[str, np.ndarray]:
    """The length of each patch's gradient with respect to the logits and to the last layer, by autograd."""
    teacher = load_teacher(home / "teacher", list(SHAPES))
    images = padded(normalised(2 * cut(patches, pictures, SIDE // 2) - 1), SIDE)
    found = {"logits": [], "last-layer": []}
    for image, class_id in zip(images, patches["class_id"], strict=True):
        head, label = teacher.network.head, torch.tensor([list(SHAPES).index(class_id)])
        weight, bias = (of.detach().clone().requires_grad_() for of in (head.weight, head.bias))
        logits = F.linear(teacher.features(image[None]), weight, bias)
        of_logits, of_weight, of_bias = torch.autograd.grad(F.cross_entropy(logits, label), [logits, weight, bias])
        found["logits"].append(of_logits.norm().item())
        found["last-layer"].append((of_weight.square().sum() + of_bias.square().sum()).sqrt().item())
    return {name: np.array(lengths) for name, lengths in found.items()}


@pytest.mark.parametrize("gradient", ["last-layer", "logits"])
@pytest.mark.parametrize(("keep", "sign"), [("hard", 1), ("easy", -1)])
def test_the_score_of_a_crop_is_the_length_of_its_gradient(home, few, gradient, keep, sign):
    found = cropped(home, few, gradient=gradient, keep=keep)
    lengths = gradients(home, few, found)[gradient]
    np.testing.assert_allclose(sign * found["score"], lengths, rtol=1e-4, atol=1e-5)
    assert found.groupby("class_id")["score"].apply(lambda scores: scores.is_monotonic_decreasing).all()


def test_the_longest_of_an_images_crops_is_kept_or_the_shortest(home, few):
    hard, easy = (
        cropped(home, few, gradient="logits", keep=keep).set_index("image_id")["score"] for keep in ("hard", "easy")
    )
    assert set(hard.index) == set(easy.index)
    assert (hard >= -easy[hard.index] - 1e-6).all()
    assert (hard > -easy[hard.index] + 1e-3).any()


def test_crops_of_wrong_predictions_are_hard_by_the_gradient_and_the_loss_alike():
    """For one image label the length of p - y grows with the loss where there are two classes."""
    logits, labels = torch.linspace(-4, 4, 9)[:, None] * torch.tensor([[1.0, -1.0]]), torch.zeros(9, dtype=torch.int64)
    by_loss = part_of("scores", {"teacher": "judge"}).losses(logits, labels)
    keys = {"teacher": "judge", "gradient": "logits", "keep": "easy"}
    by_gradient = part_of("scores", keys).losses(logits, labels)
    assert by_loss.argsort().tolist() == by_gradient.argsort().tolist()
    assert torch.equal(part_of("scores", keys | {"keep": "hard"}).losses(logits, labels), -by_gradient)
