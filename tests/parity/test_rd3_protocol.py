"""RD3's protocol: learning rates against the public scheduler that its paper names, and the facts that are known of it.

RD3's own code is not public, so this shows that the preset is its specification, not that the two agree in all.
"""

import numpy as np
import pytest

from retort.config.presets import presets
from retort.config.schema.evaluation import Protocol
from retort.evaluation.optimisers import lr_factor
from retort.evaluation.views import ViewSettings

SCHEDULES = {1: "cosine", 2: "half-cosine"}  # by the smoothing factor zeta


@pytest.fixture(scope="module")
def case(parity):
    return parity("rd3_protocol")


@pytest.fixture(scope="module")
def numbers(case):
    return np.load(case.folder / "io.npz")


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return Protocol.model_validate(presets()["soft-rd3"] | {"labels": {"teacher": "any"}})


def test_learning_rates_equal_the_scheduler_in_every_epoch(case, numbers):
    assert {table["zeta"] for table in case.facts["tables"]} == set(SCHEDULES)
    for table in case.facts["tables"]:
        base, epochs, schedule = table["base"], table["epochs"], SCHEDULES[table["zeta"]]
        rates = [base * lr_factor(schedule, epoch, epochs) for epoch in range(epochs)]
        np.testing.assert_allclose(rates, numbers[f"t{table['table']}_lr"], rtol=0, atol=1e-12)


def test_the_preset_has_its_epochs_batch_and_rate(case, protocol):
    parameters = case.facts["parameters"]
    assert protocol.views.epochs == parameters["epochs_main"] == case.facts["facts"]["epochs"][0]
    assert protocol.views.batch == parameters["batch"] == case.facts["facts"]["batch"][0]
    (own,) = (
        t for t in case.facts["tables"] if (t["epochs"], SCHEDULES[t["zeta"]]) == (protocol.views.epochs, "cosine")
    )
    assert (protocol.optimizer.schedule, protocol.optimizer.lr) == ("cosine", own["base"])  # of a ResNet-18


def test_the_number_of_updates_follows_from_the_set(numbers, protocol):
    at = protocol.views.at("10", 1)
    views = ViewSettings(**at)
    for images, per_epoch, updates in zip(
        *(numbers[name].tolist() for name in ("set_sizes", "steps_per_epoch", "updates")), strict=True
    ):
        assert views.batches(images) == per_epoch
        assert views.total_steps(images) == updates
