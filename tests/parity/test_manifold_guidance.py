"""ManifoldGD's second term, its radii and the modes of its tree against its reference code."""

import json

import numpy as np
import pytest
import torch

from retort.methods.ancestral import respace
from retort.methods.bisecting import bisecting_modes
from retort.methods.manifold import radius_at, term
from retort.methods.modes import nearest_rows

TERM_WITHIN = 1e-4  # of the largest
RADIUS_WITHIN = 1e-12
MODES_WITHIN = 1e-5


def pytest_generate_tests(metafunc):
    """One test for each row, schedule or tree of the folder that the command line names."""
    folder = metafunc.config.getoption("--parity-fixtures") / "manifold_guidance"
    facts = json.loads((folder / "case.json").read_text())
    for fixture, key in (("row", "rows"), ("radii", "radii"), ("tree", "tree")):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, facts[key], ids=[str(i) for i in range(len(facts[key]))])


@pytest.fixture(scope="module")
def case(parity):
    return parity("manifold_guidance")


def radius_of(row, steps):
    given = (row["base_radius"], row["radius_max_mult"], row["radius_schedule"], row["warm_steps"])
    return radius_at(row["index"], steps, row["stop_t"], *given)


def test_the_term_equals_the_reference(case, row):
    alphas = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    schedule, name = respace(alphas, int(case.facts["respaced"])), f"term{row['case']}"
    assert schedule.timesteps[row["index"]] == row["timestep"]
    radius = radius_of(row, len(schedule.timesteps))
    assert radius == pytest.approx(row["effective_radius"], abs=RADIUS_WITHIN)
    drawn = tuple(case[f"{name}_draw_{part}"].flatten(1 if part == "noise" else 0) for part in ("radii", "noise"))
    directions = case[f"{name}_draw_directions"]
    found = row["scale"] * term(
        case[f"{name}_x"][0],
        case[f"{name}_centre"][0],
        (directions, *drawn),
        float(schedule.alphas_cumprod[row["index"]]),
        radius,
        row["bandwidth"],
        row["tangent_dim"],
    )
    expected = case[f"{name}_guidance"][0]
    assert found.norm().item() == pytest.approx(row["norm_of_guidance"], rel=1e-4)
    torch.testing.assert_close(found, expected, rtol=0, atol=TERM_WITHIN * expected.abs().max().item())


def test_radii_equal_the_reference(radii):
    steps = len(radii["radii"])
    given = (radii["stop"], radii["base"], radii["mult"], radii["schedule"], radii["warm"])
    found = [radius_at(index, steps, *given) for index in range(steps)]
    np.testing.assert_allclose(found, radii["radii"], rtol=0, atol=RADIUS_WITHIN)


def test_the_leaves_equal_the_reference(case, tree):
    """As a set: the reference's level changes the order of the modes alone, and ours is that of the growth."""
    rows = case["tree_latents"].flatten(1).numpy()
    widest = {"sse": "sum", "var": "variance"}[tree["criterion"]]
    centres, labels = bisecting_modes(rows, tree["k"], tree["seed"], widest)
    assert sorted(np.bincount(labels).tolist()) == sorted(tree["leaf_sizes"])
    expected = case[f"{tree['key']}_modes"].flatten(1).numpy()
    pairs = np.abs(centres[:, None] - expected[None]).max(axis=2)
    assert sorted(pairs.argmin(axis=1)) == list(range(tree["k"]))
    assert pairs.min(axis=1).max() <= MODES_WITHIN
    plain = case[f"{tree['key']}_plain_bisecting"].flatten(1).numpy()
    np.testing.assert_allclose(centres, plain, rtol=0, atol=MODES_WITHIN)  # in their order
    wanted = case[f"{tree['key']}_nearest_index"].numpy()[pairs.argmin(axis=1)]
    for k, row in enumerate(wanted):
        members = rows[labels == k]
        best = members[nearest_rows(members, centres[k : k + 1])[0]]
        assert labels[row] == k
        # The two members of a leaf lie equally far from its mean; rounding decides between them.
        distances = [np.linalg.norm(found.astype(np.float64) - centres[k]) for found in (rows[row], best)]
        assert distances[0] == pytest.approx(distances[1], rel=1e-6)
