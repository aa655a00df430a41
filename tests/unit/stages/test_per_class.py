"""Accuracy class by class against numbers worked out by hand."""

import math

import pytest
from tests.unit.stages.test_tabulate import student

from retort.data.manifest import ClassEntry
from retort.stages.tables.tabulate_classes import class_accuracies

CLASSES = [ClassEntry(0, "n02", "cat"), ClassEntry(1, "n01", "ant")]


def test_each_class_has_its_mean_and_deviation_over_the_seeds():
    students = [
        student("d3hr", 0.5) | {"last": {"top1": 0.5, "per_class": [0.2, 0.8]}},
        student("d3hr", 0.5, seed=1) | {"last": {"top1": 0.5, "per_class": [0.4, 0.6]}},
        student("random", 0.5) | {"last": {"top1": 0.5, "per_class": [1.0, 0.0]}},
    ]
    table = class_accuracies(students, CLASSES)
    assert table["class_id"].tolist() == ["n02", "n01"] * 2
    cat, ant, *random = table.to_dict("records")
    assert (cat["method"], cat["class_name"], cat["seeds"]) == ("d3hr", "cat", 2)
    assert (cat["top1_last_mean"], ant["top1_last_mean"]) == (pytest.approx(30), pytest.approx(70))
    assert cat["top1_last_std"] == pytest.approx(20 / math.sqrt(2))
    assert [row["top1_last_mean"] for row in random] == [100, 0]
    assert all(math.isnan(row["top1_last_std"]) for row in random)
