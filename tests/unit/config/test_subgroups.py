"""Selections that see all classes of a pool: what is refused of them."""

import pytest
from tests.helpers.compositions import load, mistakes


def test_the_pool_is_the_groups():
    method = load("{generate: {model: dit, pool: 4}, select: {subgroups: 4, teacher: resnet}, refine: {}}")
    assert (method.select.kind, method.select.near, method.select.apart, method.select.average) == (
        *("subgroups", 0.4, 0.9, False),
    )


REFUSED = [
    ("{generate: {model: dit, pool: 4}, select: {subgroups: 3, teacher: resnet}}", "", ["subgroups is 3", "pool is 4"]),
    ("{generate: {model: dit}, select: {subgroups: 3, teacher: resnet}}", "", ["generate.pool is 1"]),
    ("select: {subgroups: 3, teacher: resnet}", "", ["subgroups chooses from a pool", "add generate with a pool"]),
    ("{generate: {model: dit, pool: 1}, select: {subgroups: 1, teacher: resnet}}", ".select.subgroups", ["at least 2"]),
    ("{generate: {model: dit, pool: 3}, select: {subgroups: 3}}", ".select.teacher", ["required, but missing"]),
]


@pytest.mark.parametrize(("method", "place", "words"), REFUSED, ids=[method for method, *_ in REFUSED])
def test_what_cannot_be_is_refused_with_what_would_be_right(method, place, words):
    [(where, text)] = mistakes(method)
    assert where == f"methods.x{place}"
    assert [word for word in words if word not in text] == [], text
