"""Every part that comes with the library does what its family promises, as parts from elsewhere must."""

from collections import Counter

import numpy as np
import pytest
import torch

from retort.parts.check import tried
from retort.parts.contracts import contracts_of
from retort.parts.contracts.base import normal
from retort.parts.resolve import FAMILIES, ours, part_of

PARTS = [tried(cls, keys) for family in FAMILIES for cls in ours(family).values() for keys in cls.examples]
PROMISES = [
    pytest.param(part, check, id=f"{part.family} {part.model_dump()}: {said}")
    for part in PARTS
    for said, check in contracts_of(part)
]


def parts(family: str) -> list:
    return [pytest.param(part, id=str(part.model_dump())) for part in PARTS if part.family == family]


@pytest.mark.parametrize(("part", "check"), PROMISES)
def test_a_part_of_ours_keeps_its_promises(part, check):
    assert check(part)


def test_every_part_of_ours_is_held_to_promises_of_its_family_or_does_nothing_itself():
    """Compositions, density and its selection are keys that stages read; patches by score keep their order."""
    idle = {part.kind for part in PARTS if len(contracts_of(part)) == 3}
    assert idle == {"mosaic", "discovery", "score", "density"}
    assert {part.kind for part in PARTS if part.family == "coverages"} == {"herding", "kmeans", "k-centre"}
    assert len(PROMISES) > 120


def test_only_k_means_and_what_is_counted_read_the_order_of_what_they_choose_from():
    reads = {(part.family, part.kind) for part in PARTS if hasattr(part, "reads_order") and part.reads_order()}
    assert reads == {("coverages", "kmeans"), ("selections", "coverage"), ("selections", "score")}
    counts = {part.kind for part in PARTS if part.family == "difficulties" and part.ties()}
    assert counts == {"forgetting"}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.family}/{part.kind}")
def test_a_part_is_taken_as_it_is(part):
    assert part_of(part.family, part) is part


@pytest.mark.parametrize("part", parts("starts"))
def test_a_start_is_the_images_first_noise_or_what_was_drawn_for_it(part):
    asked, drawn = [], torch.ones(2, 3, 3)

    def noise():
        asked.append(torch.zeros(2, 3, 3))
        return asked[-1]

    found = part.latent(noise, drawn if part.stage or part.name_in("discoveries") else None)
    assert found is (drawn if part.stage else asked[0])
    assert len(asked) == (0 if part.stage else 1)


def test_the_upper_bound_takes_all_in_their_order_and_no_other_does():
    ids = [f"{i}.png" for i in range(20)]
    for kind in ("random", "all"):
        part = part_of("selections", kind)
        assert (part.order(ids, 0, "toy") == list(range(20))) == part.takes_all == (kind == "all")


@pytest.mark.parametrize("part", parts("coverages"))
def test_a_coverage_takes_one_of_each_clear_cluster(part):
    labels = np.repeat([0, 1, 2], [6, 5, 7])
    features = 100 * np.eye(3)[labels] + normal(3, len(labels), 3).numpy()
    assert Counter(labels[list(part.cover(features, 3, 0))]) == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize("part", parts("coverages"))
def test_a_coverage_of_no_rows_is_empty(part):
    assert len(part.cover(normal(0, 12, 3).numpy(), 0, 0)) == 0


def test_the_score_of_a_teacher_is_lowest_where_it_is_surest_of_the_class():
    logits, labels = 3 * normal(5, 8, 4).float(), torch.arange(8) % 4
    losses = part_of("scores", {"teacher": "judge"}).losses(logits, labels)
    chances = logits.softmax(1)[torch.arange(8), labels]
    assert losses.argsort().tolist() == chances.argsort(descending=True).tolist()


@pytest.mark.parametrize("part", parts("scores"))
def test_the_grid_of_a_composition_cuts_patches_and_no_windows(part):
    assert part.cut_for(3) == (3 if part.unit == "patches" else None)
