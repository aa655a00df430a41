"""Losses of the evaluation protocols, against cases worked out by hand and the formulas in float64."""

import math

import numpy as np
import pytest
import torch

from retort.evaluation.losses import correct_at, hard_loss, mixed_targets, soft_loss, soft_target_loss


def random_logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return 5 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- hard


def test_the_hard_loss_of_unmixed_images_is_the_cross_entropy_worked_out_by_hand():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])  # shares 3/4, 1/4 and 1/2, 1/2
    loss = hard_loss(logits, torch.tensor([0, 1]), torch.tensor([1, 0]), kept=1)
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, rel=1e-6)


def test_the_hard_loss_of_mixed_images_weighs_both_classes_by_their_area():
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    loss = hard_loss(logits, torch.tensor([0, 1]), torch.tensor([1, 0]), kept=0.7)
    own = (math.log(4 / 3) + math.log(2)) / 2
    partner = (math.log(4) + math.log(2)) / 2  # classes 1 and 0
    assert loss.item() == pytest.approx(0.7 * own + 0.3 * partner, rel=1e-6)


def test_with_everything_kept_the_partners_do_not_matter():
    logits, targets = random_logits(4, 3), torch.tensor([0, 1, 2, 0])
    losses = [hard_loss(logits, targets, targets[p], 1).item() for p in ([0, 1, 2, 3], [3, 2, 1, 0])]
    assert losses[0] == losses[1]


def test_nothing_kept_is_the_loss_of_the_partners_classes():
    logits, targets, partners = random_logits(4, 3), torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 3, 0])
    swapped = hard_loss(logits, targets[partners], targets[partners], 1)
    assert hard_loss(logits, targets, targets[partners], 0.0).item() == pytest.approx(swapped.item(), rel=1e-12)


# ---------------------------------------------------------------- soft


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_the_soft_loss_is_the_divergence_from_the_teacher_by_formula(temperature):
    student, teacher = random_logits(6, 5), random_logits(6, 5, seed=1)
    q, p = softmax(student.numpy() / temperature), softmax(teacher.numpy() / temperature)
    expected = (p * np.log(p / q)).sum(axis=1).mean()  # no factor T^2
    assert soft_loss(student, teacher, temperature).item() == pytest.approx(expected, rel=1e-10)


def test_the_soft_loss_of_one_image_worked_out_by_hand():
    student, teacher = torch.zeros(1, 2), torch.tensor([[2 * math.log(3), 0.0]])  # 1/2, 1/2 against 3/4, 1/4 at T = 2
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert soft_loss(student, teacher, 2.0).item() == pytest.approx(expected, rel=1e-6)


def test_the_soft_loss_and_its_gradient_vanish_where_student_equals_teacher():
    teacher = random_logits(4, 5)
    student = (teacher + 3).requires_grad_()  # a constant shift does not change the probabilities
    loss = soft_loss(student, teacher, 4.0)
    loss.backward()
    assert abs(loss.item()) < 1e-12
    assert student.grad.abs().max() < 1e-12


def test_the_gradient_of_the_soft_loss_is_the_difference_of_probabilities():
    student, teacher = random_logits(4, 5).requires_grad_(), random_logits(4, 5, seed=1)
    soft_loss(student, teacher, 4.0).backward()
    expected = (softmax(student.detach().numpy() / 4) - softmax(teacher.numpy() / 4)) / 4 / 4  # over T, over the batch
    np.testing.assert_allclose(student.grad.numpy(), expected, rtol=1e-9, atol=1e-15)


def test_the_loss_against_probabilities_is_the_same_loss():
    student, teacher = random_logits(4, 5), random_logits(4, 5, seed=1)
    against = torch.from_numpy(softmax(teacher.numpy() / 4))
    assert soft_target_loss(student, against, 4.0).item() == pytest.approx(soft_loss(student, teacher, 4.0).item())


# ---------------------------------------------------------------- mixed targets


def test_mixed_targets_sum_to_one():
    for kept in (0.0, 0.3, 1.0):
        targets = mixed_targets(random_logits(6, 5), torch.tensor([5, 4, 3, 2, 1, 0]), kept, 20.0)
        np.testing.assert_allclose(targets.sum(dim=1), 1, rtol=1e-12)


def test_mixed_targets_by_hand():
    logits = torch.tensor([[2 * math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    targets = mixed_targets(logits, torch.tensor([1, 0]), 0.6, 2.0)
    first, second = np.array([0.75, 0.25]), np.array([0.5, 0.5])
    np.testing.assert_allclose(targets, [0.6 * first + 0.4 * second, 0.6 * second + 0.4 * first], rtol=1e-12)


# ---------------------------------------------------------------- helpers


def test_correct_at_counts_the_k_highest():
    logits = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 3.0, 1.0]])
    targets = torch.tensor([0, 0, 0])
    assert correct_at(logits, targets, 1).tolist() == [True, False, False]
    assert correct_at(logits, targets, 2).tolist() == [True, False, True]
    assert correct_at(logits, targets, 5).tolist() == [True, True, True]
