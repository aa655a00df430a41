"""Records of trainings, and selections by a score of them: what is taken, and what is refused."""

import pytest
from tests.helpers.compositions import load, mistakes


def test_a_score_is_a_word_or_a_table_of_its_keys():
    assert load("select: {score: forgetting, dynamics: lessons}").select.score.never_learned == "hardest"
    found = load("select: {score: {kind: cad, span: 2, windows: 3}, dynamics: lessons, keep: easy}").select
    assert (found.score.span, found.score.windows, found.keep) == (2, 3, "easy")
    assert found.model_dump(mode="json")["score"]["kind"] == "cad"


REFUSED = [
    ("select: {score: el2, dynamics: lessons}", ".select.score", ["did you mean 'el2n'?", "least-confidence"]),
    ("select: {score: el2n, dynamics: lessons, keep: hardest}", ".select.keep", ["'hard' or 'easy'", "'hardest'"]),
    ("select: {score: el2n}", ".select.dynamics", ["required, but missing"]),
    ("select: {score: {kind: el2n, epochs: [2, 9]}, dynamics: lessons}", ".select.score", ["needs 9", "records 5"]),
    ("select: {score: {kind: el2n, epochs: [4, 2]}, dynamics: lessons}", ".select.score.epochs", ["first <= last"]),
    ("select: {score: cad, dynamics: lessons}", ".select.score", ["cad needs 6 recorded epochs", "records 5"]),
    (
        "{generate: {model: dit, pool: 2}, select: {score: el2n, dynamics: lessons}}",
        "",
        ["a score of training dynamics chooses among real images"],
    ),
    ("compose: {score: {teacher: resnet, gradient: all}}", ".compose.score.gradient", ["'last-layer' or 'logits'"]),
]


@pytest.mark.parametrize(("method", "place", "words"), REFUSED, ids=[method for method, *_ in REFUSED])
def test_what_cannot_be_is_refused_with_what_would_be_right(method, place, words):
    [(where, text)] = mistakes(method)
    assert where == f"methods.x{place}"
    assert [word for word in words if word not in text] == [], text


def test_a_training_ends_within_its_epochs():
    [(where, text)] = mistakes("select: random", dynamics={"new": {"teacher": "resnet", "epochs": 3, "until": 4}})
    assert (where, text) == ("dynamics.new", "until 4 must be at most epochs 3")


def test_a_teacher_that_is_not_trained_here_has_no_training_to_record():
    teachers = {"resnet": {"arch": "resnet8", "train": {}}, "hub": {"arch": "resnet18.tv_in1k"}}
    [(where, text)] = mistakes("select: random", teachers=teachers, dynamics={"new": {"teacher": "hub"}})
    assert where == "dynamics.new.teacher"
    assert "no teacher that is trained here is called 'hub'" in text
    assert "(allowed: resnet)" in text
