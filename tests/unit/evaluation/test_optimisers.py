"""Learning-rate schedules and parameter groups, against values worked out by hand."""

import math

import pytest
import torch
from torch import nn

from retort.config.architectures import ARCHITECTURES, smallest_side
from retort.evaluation.optimisers import build_optimizer, decay_groups, lr_factor
from retort.models.classifiers import build_classifier


def test_half_cosine_starts_at_one_and_ends_near_one_half():
    assert lr_factor("half-cosine", 0, 300) == 1
    assert lr_factor("half-cosine", 150, 300) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    last = lr_factor("half-cosine", 299, 300)
    assert last == pytest.approx(0.5, abs=0.005)
    assert last > 0.5
    factors = [lr_factor("half-cosine", now, 300) for now in range(300)]
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize("length", [12, 300])
def test_cosine_is_torchs_annealing_to_zero(length):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=length, eta_min=0.0)
    for now in range(length):
        assert lr_factor("cosine", now, length) == pytest.approx(reference.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        reference.step()
    assert lr_factor("cosine", length - 1, length) < 0.02
    assert lr_factor("cosine", length, length) == pytest.approx(0)


@pytest.mark.parametrize(("length", "first", "second"), [(300, 200, 250), (2000, 1333, 1666), (6, 4, 5)])
def test_milestones_drop_to_a_fifth_at_two_thirds_and_five_sixths(length, first, second):
    factors = [lr_factor("milestones", now, length) for now in range(length)]
    drops = [now for now in range(1, length) if factors[now] != factors[now - 1]]
    assert drops == [first, second]
    assert factors[0] == 1
    assert factors[first] == pytest.approx(0.2)
    assert factors[second] == factors[-1] == pytest.approx(0.04)


def test_constant_stays_and_unknown_names_are_refused():
    assert {lr_factor("constant", now, 10) for now in range(10)} == {1.0}
    with pytest.raises(KeyError, match="cosin"):
        lr_factor("cosin", 0, 10)


@pytest.mark.parametrize("arch", ["resnet8", "convnet3"])
def test_decay_groups_partition_the_parameters(arch):
    module = build_classifier(arch, 10, 32)
    decayed, rest = decay_groups(module, 0.01)
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.01, 0.0)
    ids = [id(p) for group in (decayed, rest) for p in group["params"]]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(p) for p in module.parameters()}
    assert {p.dim() > 1 for p in decayed["params"]} == {True}
    assert {p.dim() for p in rest["params"]} == {1}


def test_decay_moves_weights_but_not_biases_and_norms():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    optimizer = build_optimizer(module, "adamw", lr=0.1, momentum=0.9, weight_decay=0.5)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(module[0].weight, torch.tensor(1 - 0.1 * 0.5))
    for kept in (module[0].bias, module[1].weight, module[1].bias):
        assert torch.equal(kept, torch.ones_like(kept))


def test_sgd_decays_everything_and_keeps_its_momentum():
    module = nn.Linear(1, 1)
    nn.init.ones_(module.weight)
    nn.init.ones_(module.bias)
    optimizer = build_optimizer(module, "sgd", lr=0.1, momentum=0.9, weight_decay=0.5)
    for expected in (1 - 0.1 * 0.5, 0.95 - 0.1 * (0.9 * 0.5 + 0.5 * 0.95)):  # the decay is a gradient of 0.5 w
        for parameter in module.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        assert module.weight.item() == pytest.approx(expected, rel=1e-6)
        assert module.bias.item() == pytest.approx(expected, rel=1e-6)


def test_every_architecture_takes_images_and_gives_a_logit_per_class():
    for arch in ARCHITECTURES:
        side = max(32, smallest_side(arch))
        with torch.no_grad():
            assert build_classifier(arch, 7, side).eval()(torch.zeros(2, 3, side, side)).shape == (2, 7)
