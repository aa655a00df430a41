"""What is kept of a teacher's labels, against the probabilities in float64 and the error that is stated."""

import numpy as np
import pytest
import torch

from retort.evaluation.labels import Top, kept_labels, label_arrays, restored_logits
from retort.evaluation.losses import soft_loss

CLASSES = 50


def logits_of(seed: int, rows: int = 24) -> torch.Tensor:
    return 4 * torch.randn(rows, CLASSES, generator=torch.Generator().manual_seed(seed))


def softmax(logits: torch.Tensor, temperature: float) -> np.ndarray:
    exponents = np.exp((logits.double().numpy() - logits.max().item()) / temperature)
    return exponents / exponents.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("count", [None, CLASSES, CLASSES + 10])
def test_all_logits_come_back_as_half_precision_holds_them(count):
    logits = logits_of(0)
    kept = kept_labels(logits, count and Top(count, 20.0))
    assert list(kept) == ["logits"]
    expected = logits.numpy().astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(restored_logits(kept, CLASSES), expected)
    assert not np.array_equal(expected, logits)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("count", [1, 10, 49])
def test_the_highest_keep_their_probabilities_and_the_rest_share_theirs_evenly(count, temperature):
    logits = logits_of(0).half().float()
    restored = restored_logits(kept_labels(logits, Top(count, temperature)), CLASSES)
    assert restored.dtype == torch.float32
    p, shared = softmax(logits, temperature), softmax(restored, temperature)
    order = np.argsort(-logits.numpy(), axis=1, kind="stable")
    expected = p.copy()
    for row, others in enumerate(order[:, count:]):
        expected[row, others] = p[row, others].mean()
    np.testing.assert_allclose(shared, expected, rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("count", [1, 10, 45])
def test_loss_and_gradient_are_within_the_stated_error(count, temperature):
    logits, student = logits_of(0).half().float(), logits_of(1)
    restored = restored_logits(kept_labels(logits, Top(count, temperature)), CLASSES)
    p, shared = softmax(logits, temperature), softmax(restored, temperature)
    others = np.argsort(-logits.numpy(), axis=1, kind="stable")[:, count:]
    mass = np.take_along_axis(p, others, axis=1).sum(axis=1)
    s, t = (np.ptp(np.take_along_axis(x.numpy(), others, axis=1), axis=1) / temperature for x in (logits, student))
    assert ((p * np.log(p / shared)).sum(axis=1) <= mass * s**2 / 8 + 1e-7).all()
    assert (np.abs(p - shared).sum(axis=1) <= mass * s / 2 + 1e-6).all()
    for row in range(len(logits)):
        losses, gradients = [], []
        for labels in (logits, restored):
            own = student[row : row + 1].double().requires_grad_()
            loss = soft_loss(own, labels[row : row + 1].double(), temperature)
            loss.backward()
            losses.append(loss.item())
            gradients.append(own.grad.numpy())
        assert abs(losses[0] - losses[1]) <= mass[row] * (s[row] ** 2 / 8 + s[row] * t[row] / 4) + 1e-6
        assert np.abs(gradients[0] - gradients[1]).sum() <= mass[row] * s[row] / (2 * temperature) + 1e-6


def test_at_the_temperature_of_the_papers_the_stated_error_of_ten_logits_is_small():
    """Not vacuous: for logits that spread over 16 the bound is a tenth of a nat, and the error much less."""
    logits = torch.linspace(0, 16, 1000)[None]
    restored = restored_logits(kept_labels(logits, Top(10, 20.0)), 1000)
    p, shared = softmax(logits, 20.0), softmax(restored, 20.0)
    assert (16 / 20) ** 2 / 8 < 0.1
    assert 0 < (p * np.log(p / shared)).sum() < 0.03


@pytest.mark.parametrize(("classes", "indices"), [(1000, "int16"), (32767, "int16"), (32768, "int32")])
def test_what_is_kept_has_the_stated_shapes_and_types(classes, indices):
    assert label_arrays(classes, None) == {"logits": ((classes,), "float16")}
    top = Top(10, 20.0)
    stated = label_arrays(classes, top)
    assert stated["classes"] == ((10,), indices)
    logits = torch.arange(classes).float()[None] / 1000
    kept = {name: a.numpy() for name, a in kept_labels(logits, top).items()}
    assert {name: (a.shape[1:], a.dtype.name) for name, a in kept.items()} == stated
    assert (kept["classes"] > classes - 100).all()  # the last classes are the highest; half precision makes ties


def test_ten_of_a_thousand_logits_take_a_45th_of_the_bytes():
    few, everything = (
        sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in label_arrays(1000, top).values())
        for top in (Top(10, 20.0), None)
    )
    assert everything / few == pytest.approx(45, abs=0.5)
