"""The evaluation protocols against the reference codes of RDED (soft) and Minimax/IDC (hard)."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.parity.closeness import assert_close
from torch import nn

from retort.evaluation.augment import lights, mix, shuffle_patches, tinted
from retort.evaluation.losses import correct_at, hard_loss, soft_loss, soft_target_loss
from retort.evaluation.optimisers import build_optimizer, decay_groups, lr_factor
from retort.evaluation.views import Views, cutmix_box
from retort.models.classifiers import build_classifier


@pytest.fixture(scope="module")
def case(parity):
    return parity("eval_protocol")


def views(cut, partners=()):
    """Views that cut and paste only. `cut`: bbx1, bby1, bbx2, bby2 of the reference, whose x runs down the rows."""
    x1, y1, x2, y2 = cut
    n = len(partners)
    whole, unflipped = np.tile(np.float32([0, 0, 1, 1]), (n, 1)), np.zeros(n, dtype=bool)
    return Views(np.arange(n), whole, unflipped, np.asarray(partners), np.int16([x1, x2, y1, y2]))


def drawn_box(rng, height, width):
    """(lam, box as the reference orders it): beta, then the centre's x, then its y, as the reference draws them."""
    lam, x, y = rng.beta(1, 1), rng.randint(height), rng.randint(width)
    top, bottom, left, right = cutmix_box(height, width, lam, x, y)
    return lam, (top, left, bottom, right)


@pytest.mark.parametrize(("tensors", "schedule"), [("lr_cos", "half-cosine"), ("hard_lr", "milestones")])
def test_learning_rates_equal_the_reference_in_every_epoch(case, tensors, schedule):
    for name in case.find(rf"{tensors}_E(\d+)"):
        epochs, expected = int(name[1]), case[name[0]].numpy()
        assert len(expected) == epochs
        base = expected[0]
        rates = [base * lr_factor(schedule, epoch, epochs) for epoch in range(epochs)]
        np.testing.assert_allclose(rates, expected, rtol=0, atol=1e-12)


def network_of(parameters):
    """A module with parameters of these (name, shape) pairs, without memory behind them."""
    network = nn.Module()
    for name, shape in parameters:
        *path, leaf = name.split(".")
        module = network
        for part in path:
            if part not in dict(module.named_children()):
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        module.register_parameter(leaf, nn.Parameter(torch.empty(shape, device="meta")))
    return network


@pytest.fixture(scope="module")
def networks(case):
    built = [(facts, network_of(facts["parameters"])) for facts in case.facts["networks"]]
    assert built
    for facts, network in built:
        assert sum(p.numel() for p in network.parameters()) == facts["n_params"]
    return built


OUR_NAMES = {  # pattern of the reference's tags without their size: our architecture
    r"convnet(\d)_in": r"convnet\1",
    r"rded_conv(\d)_bn": r"convnet\1_bn",
    r"resnet_ap10_in": "resnet_ap10",
    r"resnet(\d+_in|\d+_bn)": r"resnet\1",
    r"torchvision_resnet(\d+)": r"resnet\1",
}


def our_name(tag, size):
    network = tag.removesuffix(f"_{size}")
    (name,) = [re.sub(pattern, ours, network) for pattern, ours in OUR_NAMES.items() if re.fullmatch(pattern, network)]
    return name


def hashed(shape, k, seed):
    """Uniform numbers in [-1, 1) of the reference's weight rule, float64."""
    word = np.uint64(0xFFFFFFFF)
    x = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64((1000003 * (k + 1) + 7919 * seed) % 2**32)
    x &= word
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & word
    return torch.from_numpy((2 * (x / 2.0**32) - 1).reshape(shape))


def fill(network, parameters, seed):
    """Set the parameters, in order, as the reference's weight rule says; running statistics stay 0 and 1."""
    for k, (parameter, (name, shape)) in enumerate(zip(network.parameters(), parameters, strict=True)):
        u = hashed(shape, k, seed)
        if len(shape) > 1:
            u = u * np.sqrt(3) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            u = 1 + 0.1 * u if name.endswith("weight") else 0.1 * u
        parameter.data = u.float()


def test_networks_have_the_parameters_of_the_reference_and_give_its_logits(case):
    tolerance = case.number(case.facts["tolerance"], r"max abs ([\d.e-]+)\*max")
    for facts in case.facts["networks"]:
        side, seed = facts["size"], case.facts["seed"]
        network = build_classifier(our_name(facts["tag"], side), facts["nclass"], side).eval()
        assert [list(p.shape) for p in network.parameters()] == [shape for _, shape in facts["parameters"]]
        assert len(list(network.buffers())) == facts["n_buffers"]
        fill(network, facts["parameters"], seed)
        images = (hashed((2, 3, side, side), 9999, seed) * 1.5).float()
        with torch.no_grad():
            logits, exact = network(images), network.double()(images.double())
        expected = case[f"net_{facts['tag']}_logits_f32"]
        torch.testing.assert_close(logits, expected, rtol=0, atol=tolerance * expected.abs().max().item())
        expected = case[f"net_{facts['tag']}_logits_f64"]
        torch.testing.assert_close(exact, expected, rtol=0, atol=1e-9 * expected.abs().max().item())


def test_weight_decay_falls_on_the_parameters_that_the_reference_decays(networks):
    for facts, network in networks:
        told, weight_decay = facts["rded_get_parameters"], 0.0625
        decayed, rest = decay_groups(network, weight_decay)
        assert (len(decayed["params"]), len(rest["params"])) == (told["decay_params"], told["no_decay_params"])
        assert sum(p.numel() for p in decayed["params"]) == told["decay_elements"]
        assert sum(p.numel() for p in rest["params"]) == told["no_decay_elements"]
        assert decayed["weight_decay"] == weight_decay
        assert rest["weight_decay"] == told["no_decay_group_weight_decay"]
        names = [n for n, p in network.named_parameters() if any(p is q for q in decayed["params"])]
        assert set(told["decay_names"]) <= set(names)


def test_adamw_splits_the_parameters_and_sgd_decays_them_all(networks):
    for facts, network in networks:
        told = facts["rded_get_parameters"]
        soft = build_optimizer(network, "adamw", 0.001, 0.9, 0.01).param_groups
        assert [(len(g["params"]), g["weight_decay"]) for g in soft] == [
            (told["decay_params"], 0.01),
            (told["no_decay_params"], 0.0),
        ]
        (hard,) = build_optimizer(network, "sgd", 0.01, 0.9, 5e-4).param_groups
        assert len(hard["params"]) == len(facts["parameters"])
        assert (hard["weight_decay"], hard["momentum"], hard["nesterov"]) == (5e-4, 0.9, False)


def test_cutmix_boxes_equal_the_table_of_the_reference(case):
    table, told = case["bbox_table"].numpy(), case.facts["tensors"]["bbox_table"]
    height, width = map(int, re.search(r"for (\d+)x(\d+)", told).groups())
    rng = np.random.RandomState(case.facts["seed"] + int(case.number(told, r"seed\+(\d+)")))
    assert len(table) > 0
    for row in table:
        lam, box = drawn_box(rng, height, width)
        assert lam == row[0]
        assert box == tuple(row[1:])


@pytest.fixture(scope="module")
def mixings(case):
    found = [facts for facts in case.facts["mixing"] if facts["type"] == "cutmix"]
    assert found
    return found


def test_cutmix_boxes_of_the_mixing_cases_equal_the_reference_also_for_oblong_images(case, mixings):
    for facts in mixings:
        *_, height, width = case[f"{facts['key']}_in"].shape
        lam, box = drawn_box(np.random.RandomState(facts["np_seed"]), height, width)
        assert lam == facts["lam"]
        assert list(box) == facts["bbox"]


def test_cutmix_images_equal_the_reference(case, mixings):
    for facts in mixings:
        images, partners = case[f"{facts['key']}_in"], case[f"{facts['key']}_cutmix_perm"].numpy()
        before = images.clone()
        mixed = mix(images, views(facts["bbox"], partners))
        assert_close(mixed, case[f"{facts['key']}_cutmix_out"], 1e-6)
        assert torch.equal(images, before)


def test_mixup_images_equal_the_reference(case):
    blended = [facts for facts in case.facts["mixing"] if facts["type"] == "mixup"]
    assert blended
    for facts in blended:
        images, partners = case[f"{facts['key']}_in"], case[f"{facts['key']}_mixup_perm"].numpy()
        mixed = mix(images, replace(views((0, 0, 0, 0), partners), blend=facts["lam"]))
        assert_close(mixed, case[f"{facts['key']}_mixup_out"], 1e-6)


def seeded(case, tensor):
    """The seed that the case states for one of its tensors, as the sum of its seed and a number."""
    told = case.facts["tensors"][tensor]
    return case.facts["seed"] + int(case.number(told, r"seed\+(\d+)"))


def test_shuffled_patches_equal_the_reference(case):
    for name in case.find(r"shuffle_f(\d+)"):
        count, rng = int(name[1]), random.Random(seeded(case, "shuffle_fX") + int(name[1]))
        orders = [list(range(count)) for _ in range(2)]
        for order in orders:  # columns first
            rng.shuffle(order)
        shuffled = shuffle_patches(case["shuffle_in"][None], torch.tensor([orders]))
        assert torch.equal(shuffled[0], case[name[0]])


def test_lighting_noise_equals_the_reference(case):
    generator = torch.Generator().manual_seed(seeded(case, "aug_lighting"))
    strengths = torch.empty(1, 3).normal_(0, 0.1, generator=generator)
    lit = case["aug_img"] * 2 - 1 + lights(strengths)[0]
    torch.testing.assert_close((lit + 1) / 2, case["aug_lighting"], rtol=0, atol=1e-6)


def test_colour_jitter_equals_the_reference(case):
    rng, kinds = random.Random(seeded(case, "aug_jitter")), [0, 1, 2]
    rng.shuffle(kinds)
    strengths = [rng.uniform(-0.4, 0.4) for _ in kinds]
    moved = tinted(case["aug_img"][None] * 2 - 1, torch.tensor([kinds]), torch.tensor([strengths]))
    torch.testing.assert_close((moved[0] + 1) / 2, case["aug_jitter"], rtol=0, atol=1e-6)


def test_soft_loss_and_its_gradient_equal_the_reference_at_every_temperature(case):
    for name in case.find(r"kl_T(\d+)_loss"):
        temperature, teacher = float(name[1]), case["kl_teacher_logits"]
        logits = case["kl_student_logits"].clone().requires_grad_()
        loss = soft_loss(logits, teacher, temperature)
        loss.backward()
        assert loss.item() == pytest.approx(case[name[0]].item(), rel=1e-7, abs=1e-6)
        assert loss.item() == pytest.approx(case.facts["kl"][name[1]], rel=1e-7, abs=1e-6)
        assert_close(logits.grad, case[f"kl_T{name[1]}_grad"], 1e-7)


def test_soft_loss_against_probabilities_equals_the_reference(case):
    for name in case.find(r"kl_T(\d+)_loss"):
        temperature = float(name[1])
        targets = (case["kl_teacher_logits"] / temperature).softmax(dim=1)
        loss = soft_target_loss(case["kl_student_logits"], targets, temperature)
        assert loss.item() == pytest.approx(case[name[0]].item(), rel=1e-7, abs=1e-6)


def test_hard_loss_of_mixed_images_equals_the_reference(case):
    told = case.facts["hard_label"]["cutmix_case"]
    kept = views(told["bbox"]).kept(told["size"])
    assert kept == pytest.approx(told["ratio"], rel=1e-12)
    loss = hard_loss(case["hard_logits"], case["hard_target"], case["hard_target"][case["hard_perm"]], kept)
    assert loss.item() == pytest.approx(case["hard_loss"].item(), rel=1e-6)


def test_accuracy_equals_the_reference_at_top_1_and_top_5(case):
    for k, percent in zip((1, 5), case.facts["accuracy"], strict=True):
        correct = correct_at(case["acc_logits"], case["acc_labels"], k)
        assert correct.shape == case["acc_labels"].shape
        assert 100 * correct.double().mean().item() == pytest.approx(percent, abs=1e-4)
