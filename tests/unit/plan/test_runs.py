"""The run table: every student that the runs ask for, each once."""

import itertools

import pytest

from retort.config.load import load_config
from retort.plan.runs import COLUMNS, run_table

PROTOCOL = {
    "labels": "hard",
    "views": {"steps": 1},
    "optimizer": {"kind": "sgd", "lr": 0.1, "schedule": "constant"},
}


def table(*runs: dict):
    return table_of(*(run(**r) for r in runs))


def table_of(*blocks: dict, **dataset):
    config = {
        "dataset": {"kind": "digits"} | dataset,
        "methods": {"random": {"select": "random"}, "again": {"select": "random"}, "full": {"select": "all"}},
        "protocols": {"hard": PROTOCOL, "long": PROTOCOL | {"views": {"steps": 2}}},
        "runs": list(blocks),
    }
    return run_table(load_config(config))


def run(methods=("random",), ipc=(1,), protocols=("hard",), students=("resnet8",), seeds=1) -> dict:
    return {
        "methods": list(methods),
        "ipc": list(ipc),
        "protocols": list(protocols),
        "students": list(students),
        "seeds": seeds,
    }


def rows(frame) -> list[tuple]:
    return list(frame.itertuples(index=False, name=None))


def test_run_is_the_product_of_what_it_lists():
    lists = [["random", "again"], ["1", "10"], ["hard", "long"], ["resnet8", "convnet3"]]
    methods, ipc, protocols, students = lists
    found = table({"methods": methods, "ipc": map(int, ipc), "protocols": protocols, "students": students, "seeds": 3})
    assert list(found.columns) == COLUMNS
    assert rows(found) == list(itertools.product(*lists, range(3)))


def test_combination_asked_for_twice_is_there_once():
    once = table({"ipc": [1, 5]})
    assert rows(table({"ipc": [1, 5]}, {"ipc": [5, 1]})) == rows(once)
    assert rows(table({"methods": ["random", "random"], "ipc": [1, 5, 5]})) == rows(once)
    assert list(table({"ipc": [1, 1, 5]}).index) == [0, 1]


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_larger_number_of_seeds_holds_where_runs_overlap(order):
    found = table(*({"seeds": n} for n in order))
    assert sorted(found["seed"]) == [0, 1, 2]


@pytest.mark.parametrize(("resolution", "seeds"), [(28, 5), (64, 5), (65, 3), (224, 3)])
def test_without_a_number_of_seeds_there_are_five_where_students_are_cheap(resolution, seeds):
    block = {key: value for key, value in run().items() if key != "seeds"}
    found = table_of(block, resolution=resolution)
    assert sorted(found["seed"]) == list(range(seeds))


def test_overlap_gives_seeds_only_to_what_both_name():
    found = table({"ipc": [1, 5], "seeds": 1}, {"ipc": [5], "seeds": 2})
    assert found.groupby("ipc").size().to_dict() == {"1": 1, "5": 2}


def test_method_that_selects_everything_has_one_size_called_all():
    found = table({"methods": ["full", "random"], "ipc": [1, 5]})
    assert rows(found[["method", "ipc"]]) == [("full", "all"), ("random", "1"), ("random", "5")]


def test_a_run_of_methods_that_select_everything_needs_no_images_per_class():
    block = run(methods=["full"])
    del block["ipc"]
    assert rows(table_of(block)[["method", "ipc"]]) == [("full", "all")]
