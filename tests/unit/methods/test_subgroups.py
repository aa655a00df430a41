"""The choice of one group for each class: what it maximises, that it never lowers that, and averaged sums."""

from itertools import product

import numpy as np
import pytest

from retort.methods.subgroups import Objective, centroid, coordinate_ascent


def drawn(seed: int, classes: int = 5, groups: int = 4, size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return centroid(rng.standard_normal((classes, groups, 3, size))), centroid(rng.standard_normal((classes, 9, size)))


def by_hand(candidates, real, chosen, near, apart, epsilon, average=False) -> float:
    """The objective, written out."""
    own = [candidates[label, group] for label, group in enumerate(chosen)]
    nearness = [-np.log(1 - c @ r + epsilon) for c, r in zip(own, real, strict=True)]
    distances = [np.log(1 - own[i] @ own[j] + epsilon) for j in range(len(own)) for i in range(j)]
    fold = np.mean if average else np.sum
    return near * fold(nearness) + apart * fold(distances)


def test_a_centroid_is_the_direction_of_the_mean_direction():
    features = np.array([[[3.0, 0.0], [0.0, 0.5]], [[2.0, 0.0], [-1.0, 1e-9]]])
    np.testing.assert_allclose(centroid(features)[0], [0.5**0.5, 0.5**0.5])
    np.testing.assert_allclose(np.linalg.norm(centroid(np.random.default_rng(0).standard_normal((4, 3, 5))), axis=1), 1)
    np.testing.assert_allclose(centroid(1000 * features[0]), centroid(features[0]))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_objective_is_as_it_is_written(seed, average):
    candidates, real = drawn(seed)
    ours = Objective(candidates, real, 0.4, 0.9, 1e-3, average)
    for chosen in ([0, 1, 2, 3, 0], [3, 3, 0, 1, 2]):
        assert ours.of(np.array(chosen)) == pytest.approx(by_hand(candidates, real, chosen, 0.4, 0.9, 1e-3, average))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_no_pass_lowers_the_objective_and_the_last_can_be_raised_by_no_one_class(seed, average):
    candidates, real = drawn(seed, classes=7)
    ours = Objective(candidates, real, 0.4, 0.9, 1e-6, average)
    found = coordinate_ascent(ours, 50)
    assert all(later >= earlier - 1e-12 for earlier, later in zip(found.values, found.values[1:], strict=False))
    assert found.values[-1] == found.values[-2]  # nothing changed
    assert found.values[-1] == pytest.approx(ours.of(found.chosen))
    for label, group in product(range(7), range(4)):
        other = found.chosen.copy()
        other[label] = group
        assert ours.of(other) <= found.values[-1] + 1e-9


def test_some_pass_raises_it_and_the_best_of_all_is_never_passed():
    raised = 0
    for seed in range(10):
        candidates, real = drawn(seed, classes=4, groups=3)
        ours = Objective(candidates, real, 0.4, 0.9, 1e-6)
        found = coordinate_ascent(ours, 5)
        best = max(ours.of(np.array(chosen)) for chosen in product(range(3), repeat=4))
        assert found.values[-1] <= best + 1e-9
        raised += found.values[-1] > found.values[0]
    assert raised > 5


def test_it_begins_with_the_groups_nearest_to_the_real_images_and_without_a_second_sum_stays_there():
    candidates, real = drawn(1)
    nearest = (1 - np.einsum("cgd,cd->cg", candidates, real)).argmin(axis=1)
    assert coordinate_ascent(Objective(candidates, real, 0.4, 0.9, 1e-6), 0).chosen.tolist() == nearest.tolist()
    alone = coordinate_ascent(Objective(candidates, real, 0.4, 0.0, 0.0), 5)
    assert alone.chosen.tolist() == nearest.tolist()
    assert len(alone.values) == 2


def test_averaged_sums_keep_their_balance_where_sums_let_the_distance_between_classes_win():
    """Every class has a group at its real centroid and one far away; the former are close to each other."""
    classes, rng = 40, np.random.default_rng(0)
    real = centroid(np.ones(8) + 0.3 * rng.standard_normal((classes, 1, 8)))
    close = centroid(real[:, None] + 0.02 * rng.standard_normal((classes, 1, 8)))
    far = centroid(rng.standard_normal((classes, 1, 8)))
    candidates = np.stack([close, far], axis=1)
    plain = coordinate_ascent(Objective(candidates, real, 0.4, 0.9, 1e-6), 5).chosen
    averaged = coordinate_ascent(Objective(candidates, real, 0.4, 0.9, 1e-6, average=True), 5).chosen
    assert plain.sum() > 0.9 * classes
    assert averaged.sum() < 0.6 * classes


def test_one_class_has_no_other_to_be_far_from():
    candidates, real = drawn(2, classes=1)
    for average in (False, True):
        found = coordinate_ascent(Objective(candidates, real, 0.4, 0.9, 1e-6, average), 5)
        assert found.chosen.tolist() == [(1 - candidates[0] @ real[0]).argmin()]
        assert np.isfinite(found.values).all()


def test_a_thousand_classes_are_chosen_for_without_all_their_distances():
    """5,000 centroids have 25 million distances to each other, 200 MB; here are those of one class's groups."""
    import tracemalloc

    candidates, real = drawn(3, classes=1000, groups=5, size=64)
    ours = Objective(candidates, real, 0.4, 0.9, 1e-6)
    tracemalloc.start()
    found = coordinate_ascent(ours, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.values[1] > found.values[0]
    assert peak < 20e6
