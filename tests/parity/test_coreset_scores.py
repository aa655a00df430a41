"""Scores of coresets against the codes of DeepCore, coverage-centric selection, Data Diet and dual-pruning."""

import numpy as np
import pytest
import torch
from torch.func import grad, vmap
from torch.nn import functional as F

from retort.methods.fluctuation import fluctuations
from retort.methods.herding import herding
from retort.methods.k_centre import k_centre
from retort.methods.lessons import chance_of, error_length, last_layer_gradient
from retort.parts.difficulties import Lessons
from retort.parts.resolve import part_of
from retort.parts.selections import Seen

HALF = 2**-11  # by which share of itself a number in float16 is rounded at most
OF_LOG = HALF / np.e  # how far that moves a probability p of which CCS's log keeps ln p: p |ln p| is 1/e at most


@pytest.fixture(scope="module")
def case(parity):
    return parity("coreset_scores")


@pytest.fixture(scope="module")
def data(case) -> dict[str, np.ndarray]:
    return dict(np.load(case.folder / "io.npz"))


def hardness(data, keys, first: int = 0, last: int | None = None, logits: str = "logits") -> np.ndarray:
    """By a difficulty from one training's epochs; of `grand_logits`, from the runs of one epoch."""
    said = data["grand_logits"][:, None] if logits == "grand_logits" else data["logits"][None, :, :][:, first:last]
    norms = np.broadcast_to(np.linalg.norm(data["features"], axis=1), said.shape[:3])
    return part_of("difficulties", keys).hardness(Lessons(said, norms, data["labels"]))


def close(found: np.ndarray, expected: np.ndarray, relative: float = 1e-5) -> None:
    """No farther than a share of the largest."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max())


def near(found: np.ndarray, expected: np.ndarray, within: float = 2e-6) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=within)


def batch_sizes(case, data) -> np.ndarray:
    """By how many images the mean of DeepCore's loss divides each image's gradient."""
    n, batch = len(data["labels"]), case.facts["parameters"]["batch"]
    return np.minimum(batch, n - np.arange(n) // batch * batch)


# ---------------------------------------------------------------- scores


def test_el2n_is_that_of_data_diet_of_ccs_and_of_dual_pruning(case, data):
    facts = case.facts["parameters"]
    close(hardness(data, {"kind": "el2n"}, logits="grand_logits"), data["dd_el2n_mean"])
    many, classes = facts["el2n_epochs"], data["logits"].shape[2]
    within = many * classes**0.5 * OF_LOG
    near(many * hardness(data, {"kind": "el2n", "epochs": [1, many]}), data["ccs_el2n"], within)
    at = facts["dp_epoch"] + 1
    close(hardness(data, {"kind": "el2n", "epochs": [at, at]}), data["dp_el2n"])


def test_grand_is_deepcores_times_its_batch(case, data):
    found = hardness(data, {"kind": "grand"}, logits="grand_logits")
    close(found / batch_sizes(case, data), data["dc_grand_scores"])
    norms = np.linalg.norm(data["features"], axis=1)
    for run, logits in enumerate(data["grand_logits"]):
        one = last_layer_gradient(logits, data["labels"], norms) / batch_sizes(case, data)
        close(one, data["dc_grand_matrix"][:, run])


def test_grand_is_the_gradient_of_the_last_layer_of_data_diets_network(data):
    """Its own GraNd is of all parameters, of which those of the last layer are a part."""
    weights = {name: torch.from_numpy(data[f"mlp_{name}"]).double() for name in ("w1", "b1", "w2", "b2")}
    x, labels = torch.from_numpy(data["mlp_x"]).double(), torch.from_numpy(data["labels"])

    def loss(weights, image, label):
        hidden = (image @ weights["w1"] + weights["b1"]).relu()
        return F.cross_entropy(hidden @ weights["w2"] + weights["b2"], label)

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, labels)
    squares = {name: gradient.flatten(1).square().sum(1) for name, gradient in gradients.items()}
    close(sum(squares.values()).sqrt().numpy(), data["dd_grad_norm"])
    hidden = (x @ weights["w1"] + weights["b1"]).relu()
    logits = (hidden @ weights["w2"] + weights["b2"]).numpy()
    close(error_length(logits, data["labels"]), data["dd_l2_error"])
    ours = last_layer_gradient(logits, data["labels"], hidden.norm(dim=1).numpy())
    close(ours, (squares["w2"] + squares["b2"]).sqrt().numpy(), 1e-9)
    assert (ours < data["dd_grad_norm"] * (1 + 1e-5)).all()


def test_forgetting_counts_as_each_code_does(data):
    zero = hardness(data, {"kind": "forgetting", "never_learned": "easiest"})
    for name in ("dc_forgetting_scores", "ccs_forgetting", "dp_forgetting"):
        np.testing.assert_array_equal(zero, data[name])
    most = hardness(data, "forgetting")
    never = np.isinf(data["dd_forget_scores"])
    np.testing.assert_array_equal(most[~never], data["dd_forget_scores"][~never])
    assert not never.any() or most[never].min() > most[~never].max()


def test_aum_is_that_of_ccs_and_of_one_epoch_that_of_dual_pruning(data):
    epochs = len(data["logits"])
    near(-epochs * hardness(data, "aum"), data["ccs_accumulated_margin"], 2 * epochs * OF_LOG)
    close(-hardness(data, {"kind": "aum", "epochs": [epochs, epochs]}), data["dp_aum"])


def test_uncertainty_is_deepcores(data):
    floor = 1e-6 * data["logits"].shape[2]  # what its ln(p + 1e-6) adds at most
    near(-hardness(data, "entropy"), data["dc_entropy_scores"], 2e-6 + floor)
    near(hardness(data, "entropy"), data["dp_entropy"])
    near(hardness(data, "entropy"), data["ccs_entropy"], 0.85 * HALF * data["logits"].shape[2])
    near(-hardness(data, "margin"), data["dc_margin_scores"])
    by_logit = hardness(data, {"kind": "least-confidence", "by": "logit"})
    np.testing.assert_array_equal(-by_logit, data["dc_leastconfidence_scores"])


@pytest.mark.parametrize(("value", "name"), [("probability", "cad_ptrue"), ("el2n", "cad_el2n")])
def test_cad_is_the_formula(case, data, value, name):
    facts = case.facts["parameters"]
    keys = {"kind": "cad", "span": facts["cad_J"], "windows": facts["cad_W"], "value": value}
    near(hardness(data, keys), data[name], 1e-9)


def test_cad_over_all_windows_is_dyn_unc(case, data):
    span = case.facts["parameters"]["cad_J"]
    near(10 * hardness(data, {"kind": "cad", "span": span, "windows": None}), data["dp_dynunc"])


def test_dual_is_made_of_the_same_windows(case, data):
    facts = case.facts["parameters"]
    chances = np.stack([chance_of(logits, data["labels"]) for logits in data["logits"][: facts["dual_epochs"]]])
    means = np.lib.stride_tricks.sliding_window_view(chances, facts["cad_J"], axis=0).mean(axis=-1)
    near((10 * fluctuations(chances, facts["cad_J"]) * (1 - means)).mean(axis=0), data["dp_dual"])


# ---------------------------------------------------------------- choices


BALANCED = {  # the reference's selection of each class -> our score, and what the reference's score is of it
    "dc_forgetting": {"kind": "forgetting", "never_learned": "easiest"},
    "dc_leastconfidence": {"kind": "least-confidence", "by": "logit"},
    "dc_entropy": "entropy",
    "dc_margin": "margin",
}


@pytest.mark.parametrize("name", BALANCED)
def test_the_hardest_of_each_class_score_as_those_that_deepcore_takes(case, data, name):
    """Which of equal ones is taken is left open, so their scores are compared."""
    first, within = 0, np.abs(data[f"{name}_scores"]).max() * 1e-5
    select = part_of("selections", {"score": BALANCED[name], "dynamics": "any"})
    for label, budget in enumerate(case.facts["class_budgets"]):
        members = np.flatnonzero(data["labels"] == label)
        said, norms = data["logits"][None][:, :, members], np.ones((1, len(data["logits"]), len(members)))
        lessons = Lessons(said, norms, data["labels"][members])
        ours = members[select.choose(Seen(None, None, label, lessons), budget, 3).members]
        theirs = data[f"{name}_balanced_selected"][first : first + budget]
        scores = [np.sort(data[f"{name}_scores"][rows]) for rows in (ours, theirs)]
        np.testing.assert_allclose(*scores, rtol=0, atol=within)
        assert len(set(ours)) == budget
        first += budget


def test_the_images_that_cad_keeps_come_in_the_order_of_the_formula(case, data):
    facts, first = case.facts["parameters"], 0
    keys = {"kind": "cad", "span": facts["cad_J"], "windows": facts["cad_W"]}
    score = hardness(data, keys)
    for label in range(facts["classes"]):
        members = np.flatnonzero(data["labels"] == label)
        theirs = data["cad_ptrue_class_orders"][first : first + len(members)]
        assert sorted(theirs) == members.tolist()
        near(np.sort(score[members])[::-1], score[theirs], 1e-9)
        first += len(members)


def same_but_for_ties(found, expected, pairs: list) -> None:
    """The same rows in the same order, but that the members of a tied pair may stand for each other."""
    stands = {max(pair): min(pair) for pair in pairs}
    assert [stands.get(row, row) for row in found] == [stands.get(row, row) for row in expected]


def test_k_centre_goes_on_from_the_references_start_as_it_does(case, data):
    for label, order in enumerate(data["dc_kcenter_class_orders"]):
        members = np.flatnonzero(data["labels"] == label)
        first = int(np.flatnonzero(members == order[0])[0])
        found = members[k_centre(data["features"][members].astype(np.float64), first, len(order))]
        same_but_for_ties(found.tolist(), order.tolist(), case.facts["tied_pairs"])
    np.testing.assert_array_equal(data["dc_kcenter_starts"], data["dc_kcenter_class_orders"][:, 0])


def test_herding_is_the_nearest_row_and_not_deepcores_farthest(case, data):
    for label, order in enumerate(data["own_herding_nearest_class_orders"]):
        members = np.flatnonzero(data["labels"] == label)
        found = members[herding(data["features"][members], len(order))]
        same_but_for_ties(found.tolist(), order.tolist(), case.facts["tied_pairs"])
        assert found.tolist() != data["dc_herding_class_orders"][label].tolist()
