"""Published numbers in the tables: which column they stand in, what they are compared with, what is said of them."""

import math

import pandas as pd
import pytest

from retort.artifacts.students import CELL
from retort.plan.reported import CONFIRMED
from retort.report.accuracy import accuracy_view
from retort.report.accuracy_table import NOTE, accuracy_shown, accuracy_table, note_of
from retort.report.accuracy_table import test_images as images_tested
from retort.report.published import TABLES, number, published_shown, with_reported

ROW = {"method": "d3hr", "ipc": "10", "protocol": "soft", "student": "resnet18"}
PUBLISHED = ROW | {
    "top1": 44.3,
    "std": 0.3,
    "epoch": "best",
    "test_images": 500,
    "status": "author's table",
    "source": "D3HR (ICML 2025), Table A7",
    "differs": "",
}


def student(method: str = "d3hr", last: float = 0.42, best: float = 0.45) -> dict:
    return (
        {"dataset": "toy", "seed": 0}
        | ROW
        | {
            "steps": 10,
            "views": 80,
            "image_bytes": 9,
            "label_bytes": 0,
            "method": method,
            "last": {"top1": last, "top5": 0.9},
            "best": {"top1": best, "top5": 0.9},
        }
    )


TABLE = accuracy_table([student("random", 0.1), student()], ["random"], [])


def beside(*, tested: int | None = 500, **changes) -> pd.Series:
    """The row of d3hr with a published number in which something may be changed."""
    cells = dict.fromkeys(TABLE[CELL].itertuples(index=False, name=None), tested)
    table = with_reported(TABLE, [PUBLISHED | changes], cells)
    assert table.iloc[0].filter(like="reported").isna().all()  # random has none, whatever d3hr has
    return table.iloc[1]


def test_a_number_of_the_best_epoch_is_compared_with_our_best():
    row = beside()
    assert (row["reported"], row["reported_std"], row["reported_epoch"]) == (44.3, 0.3, "best")
    assert row["gap_to_reported"] == pytest.approx(45.0 - 44.3)
    assert row["reported_by"] == "D3HR (ICML 2025), Table A7"


def test_a_number_of_the_last_epoch_is_compared_with_our_last():
    row = beside(epoch="last")
    assert row["gap_to_reported"] == pytest.approx(42.0 - 44.3)
    assert number(row, "reported") == "44.3 ± 0.3 (last)"


@pytest.mark.parametrize(
    "changes", [{"differs": "its teacher: resnet50"}, {"differs": "best or last epoch: unknown", "epoch": ""}]
)
def test_another_teacher_or_an_unknown_epoch_stands_in_a_column_of_its_own_and_says_what_differs(changes):
    row = beside(**changes)
    assert pd.isna(row[["reported", "reported_std", "reported_by", "gap_to_reported"]]).all()
    assert (row["reported_other"], row["reported_other_std"]) == (44.3, 0.3)
    assert row["reported_other_by"] == f"D3HR (ICML 2025), Table A7; {changes['differs']}"


@pytest.mark.parametrize(("tested", "published", "there"), [(500, 500, True), (3929, 500, False), (None, 500, True)])
def test_a_number_on_another_number_of_test_images_is_left_out(tested, published, there):
    for differs, column in (("", "reported"), ("its teacher: resnet50", "reported_other")):
        row = beside(tested=tested, test_images=published, differs=differs)
        assert pd.notna(row[column]) == there
    assert beside(tested=tested, test_images=None)["reported"] == 44.3


def test_the_number_of_test_images_is_that_of_the_record():
    assert images_tested({"last": {"confusion": [[3, 1], [2, 5]]}}) == 11
    assert images_tested({"last": {"confusion": None}}) is images_tested({"last": {}}) is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "44.3 ± 0.3"),
        ({"std": None}, "44.3"),
        ({"status": "another paper's table"}, "44.3 ± 0.3"),
        ({"status": "unconfirmed", "std": None}, "44.3 (unconfirmed)"),
        ({"status": "inferred", "epoch": "last"}, "44.3 ± 0.3 (last, inferred)"),
    ],
)
def test_a_doubtful_number_says_so_wherever_it_stands(changes, text):
    assert number(beside(**changes), "reported") == text
    assert number(beside(**changes, differs="its teacher: resnet50"), "reported_other") == text.replace("last, ", "")


def test_the_stage_and_the_list_agree_on_what_is_no_doubt():
    assert TABLES == CONFIRMED


def test_people_see_the_columns_that_have_something_and_what_they_mean():
    table = with_reported(TABLE, [PUBLISHED], {})
    assert published_shown(table) == {"published": ["", "44.3 ± 0.3"], "to published": ["", "+0.7"]}
    assert list(accuracy_shown(table).columns[-2:]) == ["published", "to published"]
    other = with_reported(TABLE, [PUBLISHED | {"differs": "its teacher: resnet50"}], {})
    assert published_shown(other) == {"published, other teacher": ["", "44.3 ± 0.3"]}
    none = with_reported(TABLE, [], {})
    assert published_shown(none) == published_shown(TABLE) == {}
    assert (note_of(none), note_of(TABLE)) == (NOTE, NOTE)
    assert "best epoch unless it says last" in note_of(table)


def test_the_page_has_the_same_columns_with_their_sources():
    reported = [PUBLISHED, PUBLISHED | {"method": "random", "differs": "its teacher: resnet50", "status": "inferred"}]
    view = accuracy_view(with_reported(TABLE, reported, {}), [])
    assert [head for _, head, _ in view["columns"]][-3:] == ["published", "to published", "published, other teacher"]
    random, d3hr = ({key: cell for key, cell in row["cells"].items() if "reported" in key} for row in view["rows"])
    source = "D3HR (ICML 2025), Table A7"
    empty = {"text": "", "value": "", "note": ""}
    assert d3hr["reported"] == {"text": "44.3 ± 0.3", "value": 44.3, "note": source}
    assert d3hr["gap_to_reported"]["text"] == "+0.7"
    assert d3hr["reported_other"] == random["reported"] == random["gap_to_reported"] == empty
    note = f"{source}; its teacher: resnet50"
    assert random["reported_other"] == {"text": "44.3 ± 0.3 (inferred)", "value": 44.3, "note": note}


def test_a_table_without_published_numbers_has_the_columns_empty():
    table = with_reported(TABLE, [], {})
    assert table.filter(like="reported").isna().all(axis=None)
    assert all(math.isnan(gap) for gap in table["gap_to_reported"])
