"""The choice of one subgroup for each class against IMS3's reference code."""

import numpy as np
import pytest

from retort.methods.subgroups import Objective, centroid, coordinate_ascent


@pytest.fixture(scope="module")
def case(parity):
    return parity("subgroup_selection")


@pytest.fixture(scope="module")
def data(case) -> dict[str, np.ndarray]:
    return dict(np.load(case.folder / "io.npz"))


@pytest.fixture(scope="module")
def centroids(data) -> tuple[np.ndarray, np.ndarray]:
    rows = np.split(data["real_features"], np.cumsum(data["real_counts"])[:-1])
    return centroid(data["candidate_features"]), np.stack([centroid(of_class) for of_class in rows])


def objective(centroids, facts: dict) -> Objective:
    return Objective(*centroids, facts["alpha"], facts["beta"], facts["eps"])


def near(found, expected) -> None:
    """Within 1e-4 of the larger of 1 and the value."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1, np.abs(expected).max()))


def test_the_same_centroids_and_distances(data, centroids):
    candidates, real = centroids
    np.testing.assert_allclose(candidates, data["candidate_centroids"], atol=1e-6)
    np.testing.assert_allclose(real, data["real_centroids"], atol=1e-6)
    ours = objective(centroids, {"alpha": 1.0, "beta": 1.0, "eps": 0.0})
    found = [ours.to_real(label) for label in range(len(real))]
    np.testing.assert_allclose(found, data["distance_to_real"], atol=2e-6)


def test_the_same_objective_of_every_trial_and_of_other_choices(case, data, centroids):
    assert case.facts["settings"]
    for facts in case.facts["settings"]:
        ours, prefix = objective(centroids, facts), f"s{facts['setting']}"
        for kind, choices in (("trial", data[f"{prefix}_trial_choices"]), ("given", data["given_choices"])):
            for chosen, value in zip(choices, data[f"{prefix}_{kind}_values"], strict=True):
                near(ours.of(chosen), value)


def test_the_same_start_passes_and_choice(case, data, centroids):
    for facts in case.facts["settings"]:
        found = coordinate_ascent(objective(centroids, facts), facts["passes_max"])
        assert found.chosen.tolist() == facts["chosen"] == data[f"s{facts['setting']}_chosen"].tolist()
        assert len(found.values) - 1 == facts["passes_run"]
        near(found.values[0], facts["start_value"])
        near(found.values[-1], facts["value"])
        start = coordinate_ascent(objective(centroids, facts), 0)
        assert start.chosen.tolist() == facts["start"]


def test_a_group_at_the_real_centroid_is_refused_without_epsilon_and_chosen_for_with_it(case, centroids):
    """The reference's objective is infinite without epsilon, and nothing is ever left."""
    candidates, real = (of.copy() for of in centroids)
    candidates[0, -1] = real[0]
    settings = case.facts["settings"][0]
    for result in case.facts["degenerate"]["results"]:
        ours = objective((candidates, real), settings | {"eps": result["eps"]})
        if result["eps"] == 0:
            with pytest.raises(ValueError, match="two centroids coincide"):
                coordinate_ascent(ours, settings["passes_max"])
        else:
            assert coordinate_ascent(ours, settings["passes_max"]).chosen.tolist() == result["chosen"]
            near(ours.of(np.array(result["chosen"])), float(result["value"]))
