"""Published numbers stand beside a row only where everything agrees with the paper's."""

import pytest
import yaml
from tests.end_to_end.workspace import REPOSITORY

from retort.config.load import load_config
from retort.config.plan import Plan
from retort.config.presets import papers
from retort.config.reported import reported_for, reported_rows
from retort.data.imagenet import imagenet_classes, subset_names


def found(**changes) -> list[dict]:
    """What is reported for rows of configs/imagenet1k.yaml with changed runs, protocols or data set."""
    raw = yaml.safe_load((REPOSITORY / "configs" / "imagenet1k.yaml").read_text())
    run = {"methods": ["d3hr"], "ipc": [10], "protocols": ["soft-d3hr"], "students": ["resnet18"], "seeds": 1}
    raw["runs"] = [run | changes.pop("run", {})]
    for part, table in changes.items():
        for name, entry in table.items():
            raw[part][name] = {**raw[part].get(name, {}), **entry} if isinstance(entry, dict) else entry
    return reported_for(Plan(load_config(raw), list(imagenet_classes())))


def test_a_row_that_agrees_in_everything_has_its_number_and_source():
    cell = {"method": "d3hr", "ipc": "10", "protocol": "soft-d3hr", "student": "resnet18"}
    assert found() == [cell | {"top1": 44.3, "source": "D3HR (ICML 2025)"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"run": {"ipc": [11]}},
        {"run": {"students": ["resnet50"]}},
        {"run": {"protocols": ["soft"]}},
        {"run": {"methods": ["dit"]}},
        {"protocols": {"soft-d3hr": {"temperature": 4}}},
        {"teachers": {"resnet18": {"arch": "resnet50.tv_in1k"}}},
        {"teachers": {"resnet18": {"arch": "resnet18.a1_in1k"}}},
        {"dataset": {"test_crop": 1.0}},
        {"dataset": {"subset": "imagenette"}},
        {"dataset": {"max_per_class": 100}},
        {"dataset": {"resolution": 64}},
    ],
    ids=str,
)
def test_a_row_that_differs_anywhere_has_none(changes):
    assert found(**changes) == []


def test_a_method_of_another_name_may_say_whose_it_is():
    (row,) = found(run={"methods": ["cao2-many"], "ipc": [50], "protocols": ["soft-cao2"]})
    assert row["source"] == "CaO2 (ICCV 2025)"
    assert found(run={"methods": ["cao2-many"], "ipc": [50], "protocols": ["soft"]}) == []


def test_the_table_of_published_numbers_names_what_there_is():
    rows = reported_rows()
    cells = [tuple(row[key] for key in ("data", "method", "ipc", "protocol", "teacher", "student")) for row in rows]
    assert len(set(cells)) == len(cells)
    assert {row["protocol"] for row in rows} <= set(papers())
    assert {row["data"] for row in rows} <= set(subset_names())
    assert all(0 < float(row["top1"]) < 100 and row["source"] for row in rows)


def test_numbers_on_a_part_of_imagenet_want_a_teacher_that_was_trained_on_it():
    """As RDED's and CaO2's were; the one that knows 1,000 classes is another."""
    rows = {"run": {"methods": ["rded"], "protocols": ["soft"]}, "protocols": {"soft": {"preset": "soft-10"}}}
    part = {"dataset": {"subset": "imagenette"}}
    own = {"teachers": {"resnet18": {"arch": "resnet18", "train": {"steps": 1}}}}
    assert [row["top1"] for row in found(**rows, **part, **own)] == [61.4]
    assert found(**rows, **part) == []
