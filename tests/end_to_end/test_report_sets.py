"""The report of a run with several sets of each method: one row, one section, both parts of the spread."""

from pathlib import Path

import pandas as pd
import pytest

from retort.stages.pictures.report_page import report_page
from tests.helpers.made_up_results import made_up_results
from tests.helpers.report_page import TEMPLATE, Page
from tests.helpers.workspace import smoke_config

RUN = {"methods": ["random", "dit", "herding"], "protocols": ["hard"], "students": ["resnet8"], "seeds": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict:
    runs = {"runs": [RUN | {"ipc": [1, 2], "set_seeds": 3}, RUN | {"methods": ["full"]}]}
    return made_up_results(tmp_path_factory.mktemp("sets"), smoke_config() | runs, ["0", "1"])


@pytest.fixture(scope="module")
def text(made, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    report_page(str(TEMPLATE), str(path), **made)
    return Path(path).read_text()


def test_the_sets_of_a_method_stand_in_one_row(made, text):
    heads, *rows = Page(text).table("spread-table")
    shown = {(row[0], row[1]): dict(zip(heads, row, strict=True)) for row in rows}
    assert set(shown) == {*((m, ipc) for m in RUN["methods"] for ipc in ("1", "2")), ("full", "all")}
    table = pd.read_csv(made["accuracy"], dtype={"ipc": str}).set_index(["method", "ipc"])
    for ipc in ("1", "2"):
        row = shown["dit", ipc]
        assert row["sets"] == "3"
        assert len(row["each seed"].split()) == 6
        assert row["± of sets"] == f"{table.loc[('dit', ipc), 'top1_last_std_between']:.1f}"
        assert row["± in a set"] == f"{table.loc[('dit', ipc), 'top1_last_std_within']:.1f}"
        assert " to " in row["to random, 95 %"]
    assert shown["herding", "1"]["sets"] == "1, always the same"
    assert shown["herding", "1"]["± of sets"] == ""
    assert shown["full", "all"]["sets"] == "1, always the same"


def test_a_method_has_one_section_and_one_mark_whatever_the_number_of_its_sets(text):
    page = Page(text)
    assert {name for name in page.values("id") if name.startswith("method-")} == {
        f"method-{name}" for name in ("random", "dit", "herding", "full")
    }
    _, *rows = next(rows for _, rows in page.tables if rows[0][:2] == ["method", "its share"])
    assert {"dit", "dit-set1", "dit-set2"} <= {row[0] for row in rows}  # each set has its costs


def test_classes_and_scores_are_of_all_sets_together(made):
    for name, seeds in (("per_class", 6), ("scores", 6)):
        table = pd.read_csv(made[name], dtype={"ipc": str})
        assert not table["method"].str.contains("-set").any()
        assert set(table.loc[table["method"] == "dit", "seeds"]) == {seeds}
