"""The report of a run whose protocols have labels of different kinds at equal compute."""

from pathlib import Path

import pytest

from retort.stages.pictures.report_page import report_page
from tests.helpers.made_up_results import made_up_results
from tests.helpers.report_page import TEMPLATE, Page
from tests.helpers.workspace import smoke_config

REGIMES = ["hard", "static", "soft", "online"]


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    config, folder = smoke_config(), tmp_path_factory.mktemp("labels")
    config["protocols"] = {
        name: {"preset": f"equal-{name}-10"} | ({} if name == "hard" else {"labels": {"teacher": "resnet"}})
        for name in REGIMES
    } | {"rd3": {"preset": "soft-rd3", "labels": {"teacher": "resnet"}}}
    protocols = {"protocols": list(config["protocols"]), "students": ["resnet8"], "seeds": 2}
    config["runs"] = [{"methods": ["random", "dit"], "ipc": [1, 2]} | protocols, {"methods": ["full"]} | protocols]
    report_page(str(TEMPLATE), str(folder / "report.html"), **made_up_results(folder, config, ["0", "1"]))
    return Path(folder / "report.html").read_text()


def test_labels_of_all_kinds_stand_side_by_side_in_a_table_and_a_picture(text):
    page = Page(text)
    heads, *rows = next(rows for _, rows in page.tables if rows[0][:3] == ["method", "images per class", "student"])
    assert heads[3:8] == ["hard", "static", "soft", "rd3", "online"]
    assert len(rows) == 5
    assert all(cell for row in rows for cell in row[3:8])
    assert "of any number of images, is trained for 1,500 updates on 150,000 views" in text
    assert text.count("Test accuracy over labels after 1,500 updates: resnet8, ") == 2
    assert "soft labels by a teacher that is asked while students train" in text


def test_the_accuracy_table_says_how_long_students_were_trained(text):
    heads, *rows = Page(text).table("compute-table")
    assert {(row[heads.index("updates")], row[heads.index("images seen")]) for row in rows} == {("100", "800")}


def test_the_report_has_the_bytes_of_images_and_labels_in_its_table_and_a_picture(text):
    heads, *rows = Page(text).table("compute-table")
    shown = {
        tuple(row[heads.index(head)] for head in ("images per class", "images", "labels", "bytes"))
        for row in rows
        if row[heads.index("protocol")].startswith(("hard", "soft"))
    }
    assert shown == {
        *(("1", "1.5 kB", "0 B", "1.5 kB"), ("1", "1.5 kB", "40 kB", "41.5 kB")),
        *(("2", "3 kB", "0 B", "3 kB"), ("2", "3 kB", "40 kB", "43 kB")),
        *(("all", "", "0 B", ""), ("all", "", "40 kB", "")),
    }
    assert text.count("Test accuracy over the bytes of images and labels: ") == 5
    assert '<figure class="chart" id="over-bytes">' in text


def test_constants_that_a_paper_does_not_state_are_marked(text):
    rows = next(rows for _, rows in Page(text).tables if rows[0][0] == "constant")
    own = {row[0]: row[1:][rows[0][1:].index("rd3")] for row in rows[1:]}
    marked = {name for name, cell in own.items() if cell.endswith(" (assumed)")}
    assert marked == {"temperature", "crop", "weight_decay", "betas", "tests during training", "precision"}
    assert own["temperature"] == "20 (assumed)"
    others = [cell for row in rows[1:] for i, cell in enumerate(row[1:]) if rows[0][i + 1] != "rd3"]
    assert not any("assumed" in cell for cell in others)
