"""Difficulties: by hand, and where each puts an image with a wrong label, as its paper says."""

import numpy as np
import pytest

from retort.parts.difficulties import Lessons
from retort.parts.resolve import ours, part_of
from retort.parts.selections import Seen


def lessons(chances, labels, norms=None) -> Lessons:
    """From probabilities (E, n, K) of one training, or (R, E, n, K) of several."""
    logits = np.log(np.asarray(chances, dtype=np.float64))
    logits = logits[None] if logits.ndim == 3 else logits
    return Lessons(logits, np.ones(logits.shape[:3]) if norms is None else np.asarray(norms), np.asarray(labels))


def hardness(keys, given: Lessons) -> np.ndarray:
    return part_of("difficulties", keys).hardness(given)


# Three epochs of two images of class 0 among three classes.
TWO = [
    [[0.5, 0.3, 0.2], [0.2, 0.7, 0.1]],
    [[0.2, 0.6, 0.2], [0.3, 0.3, 0.4]],
    [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]],
]


def test_el2n_by_hand():
    each = [[0.25 + 0.09 + 0.04, 0.64 + 0.49 + 0.01], [0.64 + 0.36 + 0.04, 0.49 + 0.09 + 0.16], [0.06, 0.81 + 0.65]]
    np.testing.assert_allclose(hardness("el2n", lessons(TWO, [0, 0])), np.sqrt(each).mean(0))
    of_first_two = hardness({"kind": "el2n", "epochs": [1, 2]}, lessons(TWO, [0, 0]))
    np.testing.assert_allclose(of_first_two, np.sqrt(each[:2]).mean(0))


def test_grand_is_el2n_times_what_the_features_add():
    norms = [[[0.0, 2.0], [1.0, 3.0], [2.0, 0.5]]]
    found = hardness({"kind": "grand", "epochs": [2, 2]}, lessons(TWO, [0, 0], norms))
    np.testing.assert_allclose(found, np.sqrt([1.04 * 2, 0.74 * 10]))


def test_scores_are_means_over_trainings():
    both = lessons([TWO, TWO[::-1]], [0, 0])
    for keys in ({"kind": "el2n", "epochs": [1, 1]}, {"kind": "aum", "epochs": [3, 3]}, "forgetting", "entropy"):
        single = [hardness(keys, lessons(run, [0, 0])) for run in (TWO, TWO[::-1])]
        np.testing.assert_allclose(hardness(keys, both), np.mean(single, axis=0))


def test_forgetting_counts_what_was_right_and_is_wrong_next():
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    rows = [[right, wrong, right, wrong, right], [wrong, right, right, right, wrong], [wrong] * 5, [right] * 5]
    given = lessons(np.array(rows).swapaxes(0, 1), [0, 0, 0, 0])
    assert hardness("forgetting", given).tolist() == [2, 1, 5, 0]
    assert hardness({"kind": "forgetting", "never_learned": "easiest"}, given).tolist() == [2, 1, 0, 0]


def test_uncertainty_is_of_the_last_epoch_and_does_not_read_labels():
    for labels in ([0, 0], [1, 2]):
        given = lessons(TWO, labels)
        np.testing.assert_allclose(hardness("margin", given), [-0.7, -0.7])
        np.testing.assert_allclose(hardness("least-confidence", given), [-0.8, -0.8])
        entropy = -(0.8 * np.log(0.8) + 0.2 * np.log(0.1))
        np.testing.assert_allclose(hardness("entropy", given), [entropy, entropy])


def test_aum_by_hand():
    np.testing.assert_allclose(
        hardness("aum", lessons(TWO, [0, 0])), [-np.mean([0.2, -0.4, 0.7]), -np.mean([-0.5, -0.1, -0.7])]
    )


def test_cad_leaves_the_last_epoch_out_unless_it_takes_all_windows():
    """Deviations of neighbours |a - b| / sqrt 2 at own probabilities 0.1, 0.5, 0.4, 0.4, 0.9."""
    own = np.array([0.1, 0.5, 0.4, 0.4, 0.9])
    given = lessons(np.stack([own, 1 - own], 1)[:, None], [0])
    for windows, steps in ((1, [0.0]), (2, [0.1, 0.0]), (3, [0.4, 0.1, 0.0]), (None, [0.4, 0.1, 0.0, 0.5])):
        found = hardness({"kind": "cad", "span": 2, "windows": windows}, given)
        np.testing.assert_allclose(found, [np.mean(steps) / np.sqrt(2)], atol=1e-12)
    by_error = hardness({"kind": "cad", "span": 2, "windows": None, "value": "el2n"}, given)
    np.testing.assert_allclose(by_error, [np.sqrt(2) * np.mean([0.4, 0.1, 0.0, 0.5]) / np.sqrt(2)])


# ---------------------------------------------------------------- a wrong label


def learned() -> Lessons:
    """Nine images of class 0 that are learned sooner or later, and one, the last, that shows class 1.

    A network learns the others' probability from 1/3 up to 0.95, the later the harder; of the last it says class 1
    with more and more certainty, so its label's probability falls. Of the eighth it cannot decide and changes its mind.
    """
    epochs, images = 12, 10
    own = np.zeros((epochs, images))
    for i in range(9):
        own[:, i] = 0.95 - 0.6 * np.exp(-np.arange(epochs) / (1 + 0.5 * i))
    own[:, 7] = np.where(np.arange(epochs) % 2, 0.35, 0.75)
    own[:, 9] = 0.3 * np.exp(-np.arange(epochs) / 2) + 0.01
    other = (1 - own) * np.where(np.arange(images) == 9, 0.97, 0.8)
    return lessons(np.stack([own, other, 1 - own - other], 2), [0] * images)


@pytest.mark.parametrize("keys", ["el2n", "grand", "aum", "forgetting"])
def test_a_wrong_label_is_hardest_where_the_score_reads_the_label(keys):
    """As the papers of EL2N and GraNd (section 4: noise among the highest scores), of forgetting (never learned) and of
    AUM (a negative margin) say."""
    found = hardness(keys, learned())
    assert found.argmax() == 9
    assert found[9] > np.sort(found)[-2]


@pytest.mark.parametrize("keys", ["margin", "entropy", "least-confidence"])
def test_a_wrong_label_does_not_stand_out_where_the_score_reads_the_prediction_alone(keys):
    """The network is sure of what the image shows, and undecided about the eighth."""
    found = hardness(keys, learned())
    assert found.argmax() == 7
    assert (found[9] < found).sum() > 2


@pytest.mark.parametrize("value", ["probability", "el2n"])
def test_cad_passes_a_wrong_label_by_and_takes_what_the_network_changes_its_mind_about(value):
    found = hardness({"kind": "cad", "value": value}, learned())
    assert found.argmax() == 7
    assert (found > found[9]).sum() >= 5


# ---------------------------------------------------------------- the selection


def choose(keys: dict, given: Lessons, count: int, seed: int = 0):
    return part_of("selections", {"dynamics": "any"} | keys).choose(Seen(None, None, 0, given), count, seed)


def test_hard_and_easy_are_the_two_ends_and_larger_sets_begin_with_smaller_ones():
    hard = list(choose({"score": "el2n"}, learned(), 10).members)
    assert hard[0] == 9
    assert list(choose({"score": "el2n", "keep": "easy"}, learned(), 10).members) == hard[::-1]
    assert list(choose({"score": "el2n"}, learned(), 4).members) == hard[:4]
    score = choose({"score": "el2n"}, learned(), 10).columns["score"]
    assert score == sorted(score, reverse=True)


def test_of_equal_images_a_draw_takes_some_and_the_same_again():
    given = lessons(np.full((3, 40, 2), 0.5), [0] * 40)
    first, again, other = (list(choose({"score": "forgetting"}, given, 5, seed).members) for seed in (1, 1, 2))
    assert first == again != other
    assert first != [0, 1, 2, 3, 4]
    assert list(choose({"score": "forgetting"}, given, 20, 1).members)[:5] == first


def test_every_difficulty_says_how_many_epochs_it_needs():
    rng = np.random.default_rng(0)
    for kind, cls in ours("difficulties").items():
        for keys in cls.examples:
            part = part_of("difficulties", {"kind": kind} | keys)
            chances = rng.dirichlet(np.ones(3), (1, part.least_epochs(), 4))
            found = part.hardness(lessons(chances, [0, 1, 2, 0]))
            assert found.shape == (4,)
            assert np.isfinite(found).all(), (kind, keys)
    assert part_of("difficulties", {"kind": "cad", "span": 4, "windows": 2}).least_epochs() == 6
    assert part_of("difficulties", {"kind": "el2n", "epochs": [3, 7]}).least_epochs() == 7
