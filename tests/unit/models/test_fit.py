"""The training loop: resuming, averaging, and stopping when the loss is lost."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from retort.base.errors import RetortError
from retort.models.fit import fit, warmup_cosine
from retort.models.training_state import Checkpoint, Training

STEPS = 40  # saved after every second step


class Interrupted(Exception):
    """What a killed job looks like from inside."""


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def optimizer_for(module: nn.Module, kind: str) -> torch.optim.Optimizer:
    if kind == "adamw":
        groups = [{"params": list(module[0].parameters())}, {"params": [*module[1:].parameters()], "lr": 0.005}]
        return torch.optim.AdamW(groups, lr=0.02, weight_decay=0.1)
    return torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9 if kind == "momentum" else 0)


def run(
    kind: str,
    ema: float,
    checkpoint: Checkpoint | None = None,
    stop: int | None = None,
    seed: int = 0,
    steps: int = STEPS,
) -> tuple[nn.Module, list[int]]:
    """Train the network, stopped at the beginning of step `stop`; the result and the steps that were made."""
    module, made = network(seed), []

    def loss_at(step: int) -> Tensor:
        if step == stop:
            raise Interrupted
        made.append(step)
        inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        return nn.functional.cross_entropy(module(inputs), (inputs.sum(1) > 0).long())

    optimizer = optimizer_for(module, kind)
    return fit(module, optimizer, loss_at, STEPS, warmup_cosine(0.1), checkpoint, ema), made


def identical(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize(
    ("kind", "ema"), [("plain", 0.0), ("plain", 0.9), ("momentum", 0.0), ("adamw", 0.0), ("adamw", 0.9)]
)
@pytest.mark.parametrize("stop", [0, 1, 2, 3, 21, 39])
def test_a_resumed_training_ends_bit_identical_to_an_undisturbed_one(tmp_path, kind, ema, stop):
    undisturbed, _ = run(kind, ema)
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this")
    with pytest.raises(Interrupted):
        run(kind, ema, checkpoint, stop)
    # Other initial weights where there is a state, which must replace them.
    resumed, made = run(kind, ema, checkpoint, seed=9 if checkpoint.path.exists() else 0)
    assert made == list(range(stop - stop % 2, STEPS))
    assert identical(resumed, undisturbed)


def test_a_training_interrupted_again_and_again_still_ends_bit_identical(tmp_path):
    undisturbed, _ = run("adamw", 0.9)
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this")
    for stop in range(3, STEPS, 5):
        with pytest.raises(Interrupted):
            run("adamw", 0.9, checkpoint, stop)
    resumed, made = run("adamw", 0.9, checkpoint)
    assert made[0] == 38
    assert identical(resumed, undisturbed)


def test_wherever_it_was_killed_a_training_ends_bit_identical(tmp_path):
    undisturbed, _ = run("adamw", 0.9)
    for stop in range(4, STEPS, 3):
        checkpoint = Checkpoint(tmp_path / f"{stop}.safetensors", "this")
        with pytest.raises(Interrupted):
            run("adamw", 0.9, checkpoint, stop)
        assert identical(run("adamw", 0.9, checkpoint)[0], undisturbed), stop


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_training_whose_result_was_not_written_down_is_not_repeated(tmp_path, ema):
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this")
    undisturbed, _ = run("adamw", ema, checkpoint)
    resumed, made = run("adamw", ema, checkpoint, seed=9)
    assert made == []
    assert identical(resumed, undisturbed)


class ConvNetWithDropout(nn.Module):
    """What draws from torch's own generator, keeps statistics and is laid out with channels last."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(nn.functional.dropout(self.norm(self.conv(x)).relu(), 0.3).mean(dim=(2, 3)))


@pytest.mark.parametrize("stop", [2, 7, 39])
def test_dropout_and_channels_last_go_on_where_they_were(tmp_path, stop):
    def train(checkpoint: Checkpoint | None = None, stop: int | None = None, seed: int = 0):
        torch.manual_seed(seed)
        module = ConvNetWithDropout().to(memory_format=torch.channels_last)

        def loss_at(step: int) -> Tensor:
            if step == stop:
                raise Interrupted
            inputs = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(step))
            return nn.functional.cross_entropy(module(inputs), (inputs.sum(dim=(1, 2, 3)) > 0).long())

        optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
        fit(module, optimizer, loss_at, STEPS, warmup_cosine(0.1), checkpoint)
        strides = [entry["exp_avg"].stride() for entry in optimizer.state.values()]
        return module, strides, torch.rand(4)

    undisturbed, strides, drawn = train()
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this")
    with pytest.raises(Interrupted):
        train(checkpoint, stop)
    resumed, same_strides, same_drawn = train(checkpoint, seed=9)
    assert identical(resumed, undisturbed)
    assert same_strides == strides
    assert torch.equal(same_drawn, drawn)


def test_a_training_is_saved_twenty_times_and_whenever_it_is_due(tmp_path, monkeypatch):
    checkpoint, saved = Checkpoint(tmp_path / "state.safetensors", "this"), []
    monkeypatch.setattr(Checkpoint, "save", lambda self, training, step: saved.append(step))
    run("plain", 0.0, checkpoint)
    assert saved == list(range(2, STEPS + 1, 2))
    saved.clear()
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)
    run("plain", 0.0, checkpoint)
    assert saved == list(range(1, STEPS + 1))


def test_a_loss_in_parts_is_their_sum_differentiated_one_by_one():
    whole, parts = network(), network()
    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    gradients = []

    def in_parts(step: int):
        for part in inputs.split(2):
            gradients.append(parts[0].weight.grad)
            yield parts(part).square().sum()

    for module, loss in ((whole.eval(), lambda step: whole(inputs).square().sum()), (parts.eval(), in_parts)):
        fit(module, torch.optim.SGD(module.parameters(), lr=0.01), loss, 1, lambda progress: 1.0)
    assert [gradient is None for gradient in gradients] == [True, False, False]
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_average_of_a_short_training_forgets_where_it_began():
    """At a constant decay of 0.9999, 90 % of it would be the weights of the first of 1,000 steps."""
    module = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    nn.init.constant_(module.weight, 1000.0)

    def loss_at(step: int) -> Tensor:  # the step goes to 1, wherever it comes from
        return 0.5 * (module.weight - 1.0).square().sum()

    kept = fit(module, optimizer, loss_at, 1000, lambda progress: min(1.0, 20 * progress), ema=0.9999)
    assert kept.weight.item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5])
def test_the_rate_of_a_training_ends_at_zero(warmup):
    factors = [warmup_cosine(warmup)(step / 1000) for step in range(1000)]
    assert max(factors) == pytest.approx(1, abs=1e-3)
    assert factors[-1] < 1e-4


def test_a_state_left_for_another_purpose_is_ignored(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(Interrupted):
        run("adamw", 0.0, Checkpoint(path, "that"), stop=21, seed=5)
    trained, made = run("adamw", 0.0, Checkpoint(path, "this"))
    assert made == list(range(STEPS))
    assert identical(trained, run("adamw", 0.0)[0])


def test_a_cleared_state_is_gone_and_clearing_twice_is_harmless(tmp_path):
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this")
    run("plain", 0.0, checkpoint)
    assert checkpoint.path.exists()
    checkpoint.clear()
    checkpoint.clear()
    assert not checkpoint.path.exists()


def test_an_interrupted_save_leaves_the_state_before_it(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "this")
    with pytest.raises(Interrupted):
        run("adamw", 0.0, checkpoint, stop=11)
    before = checkpoint.path.read_bytes()

    def half_written(tensors: dict, path: Path, metadata: dict) -> None:
        Path(path).write_bytes(b"half")
        raise Interrupted

    monkeypatch.setattr("retort.models.training_state.save_file", half_written)
    with pytest.raises(Interrupted):
        run("adamw", 0.0, checkpoint)
    assert checkpoint.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint.path]


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_an_error_that_says_where(broken):
    module = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(RetortError, match=r"the teacher: the loss is -?(nan|inf) at step \d+; lower the learning rate"):
        fit(module, optimizer, lambda _: module.weight.sum() * broken, 5, lambda _: 1.0, label="the teacher")


def test_a_loss_that_is_lost_midway_stops_before_the_end():
    module, made = nn.Linear(2, 1), []

    def loss_at(step: int) -> Tensor:
        made.append(step)
        return module.weight.square().sum() * (float("nan") if step == 20 else 1.0)

    with pytest.raises(RetortError, match="nan"):
        fit(module, torch.optim.SGD(module.parameters(), lr=0.1), loss_at, 1000, lambda _: 1.0)
    assert made[-1] <= 50  # the weights have been NaN since step 20


def test_a_loss_that_is_lost_is_not_saved(tmp_path):
    module, checkpoint = network(), Checkpoint(tmp_path / "state.safetensors", "this")

    def loss_at(step: int) -> Tensor:
        return module(torch.ones(4, 4)).square().sum() * (float("nan") if step == 20 else 1.0)

    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    with pytest.raises(RetortError, match="nan at step 20"):
        fit(module, optimizer, loss_at, STEPS, lambda _: 1.0, checkpoint)
    left = network()
    assert checkpoint.resume(Training(left, torch.optim.SGD(left.parameters(), lr=0.01)))[0] == 20
    assert all(torch.isfinite(tensor).all() for tensor in left.state_dict().values())


@pytest.mark.parametrize("ema", [0.3, 0.9999])
def test_the_averages_decay_rises_with_the_steps_to_what_is_asked_for(ema):
    module = nn.Linear(3, 1)
    raw, expected = [], None

    def loss_at(step: int) -> Tensor:
        raw.append(module.weight.detach().double().clone())
        return (module(torch.ones(1, 3)) - step).square().sum()

    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    averaged = fit(module, optimizer, loss_at, 10, lambda _: 1.0, ema=ema)
    for made, weight in enumerate([*raw[1:], module.weight.detach().double()]):  # raw[0] is from before the first step
        decay = min(ema, (1 + made) / (10 + made))  # 0.1, 0.18, 0.25, 0.31, ...
        expected = weight if expected is None else decay * expected + (1 - decay) * weight
    assert averaged is not module
    assert (averaged.weight - module.weight).abs().max() > 0.01
    torch.testing.assert_close(averaged.weight.detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_without_an_average_the_module_itself_is_returned():
    module = nn.Linear(3, 1)
    trained = fit(module, torch.optim.SGD(module.parameters(), lr=0.1), lambda _: module.weight.sum(), 3, lambda _: 1.0)
    assert trained is module


def test_the_learning_rate_is_each_groups_own_times_the_factor_of_the_progress():
    module = nn.Linear(1, 1)
    groups = [{"params": [module.weight], "lr": 1.0}, {"params": [module.bias], "lr": 0.1}]
    optimizer, asked = torch.optim.SGD(groups, lr=0.5), []

    def factor(progress: float) -> float:
        asked.append(progress)
        return 1 - progress

    nn.init.zeros_(module.weight)
    nn.init.zeros_(module.bias)
    fit(module, optimizer, lambda _: module.weight.sum() + module.bias.sum(), 4, factor)
    assert sorted(set(asked)) == [0.0, 0.25, 0.5, 0.75]
    assert module.weight.item() == pytest.approx(-(1 + 0.75 + 0.5 + 0.25))
    assert module.bias.item() == pytest.approx(-0.1 * (1 + 0.75 + 0.5 + 0.25))


def test_warmup_rises_to_one_and_the_cosine_falls_to_zero():
    factor = warmup_cosine(0.1)
    assert 0 < factor(0.0) < 0.02
    assert factor(0.05) == pytest.approx(0.5, abs=0.01)
    assert factor(0.1) == pytest.approx(1)
    assert factor(0.55) == pytest.approx(0.5)
    assert factor(0.999) == pytest.approx(0, abs=1e-4)
    assert warmup_cosine(0.0)(0.0) == pytest.approx(1)
