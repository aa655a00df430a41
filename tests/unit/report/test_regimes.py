"""Protocols of different labels side by side, and their accuracies as a picture."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from retort.report.charts import accuracy_over_labels
from retort.report.marks import marks_of
from retort.report.regimes import equal_protocols, regimes

EQUAL = {"updates": 1500, "batch": 100}
PROTOCOLS = {
    "asked": {"labels": {"kind": "online", "teacher": "t"}, "views": EQUAL},
    "stored": {"labels": {"kind": "region", "teacher": "t"}, "views": EQUAL},
    "classes": {"labels": "hard", "views": EQUAL},
    "one": {"labels": {"kind": "static", "teacher": "t"}, "views": EQUAL},
    "longer": {"labels": "hard", "views": EQUAL | {"updates": 3000}},
    "steps": {"labels": {"kind": "region", "teacher": "t"}, "views": {"steps": 1500, "batch": 100}},
}
ORDER = ["classes", "one", "stored", "asked"]
NO_SCORES = pd.DataFrame(columns=["method", "ipc", "student", "protocol", "lrs", "ars"])


def rows(*cells: tuple[str, str, str, float]) -> pd.DataFrame:
    keys = ("method", "ipc", "protocol", "top1_last_mean")
    table = pd.DataFrame([dict(zip(keys, cell, strict=True)) for cell in cells])
    return table.assign(student="net", top1_last_std=1.5, top1_last_seeds="", gap_to_random=2.0)


TABLE = rows(
    *(("dit", ipc, name, 40.0 + i) for ipc in ("1", "10") for i, name in enumerate(ORDER)),
    *(("random", "1", name, 30.0) for name in ORDER[:2]),
    ("lonely", "1", "classes", 20.0),
    ("full", "all", "classes", 90.0),
    ("full", "all", "stored", 91.0),
)


def test_protocols_stand_by_the_kind_of_their_labels_and_only_sets_with_two_kinds_are_shown():
    found = regimes(TABLE, NO_SCORES, PROTOCOLS)
    assert found["protocols"] == ["classes", "longer", "one", "stored", "steps", "asked"]
    assert [(row["method"], row["ipc"]) for row in found["rows"]] == [
        *(("dit", "1"), ("dit", "10"), ("random", "1"), ("full", "all"))
    ]
    texts = dict(zip(found["protocols"], found["rows"][0]["cells"], strict=True))
    assert texts["one"] == {"text": "41.0 ± 1.5", "gap": "+2.0"}
    assert texts["longer"] == {"text": "", "gap": ""}
    assert found["labels"]["asked"] == "soft labels by a teacher that is asked while students train"


def test_labels_without_words_stand_last_under_their_own_name():
    protocols = {"strange": {"labels": {"kind": "whispered"}, "views": {}}, **PROTOCOLS}
    found = regimes(TABLE, NO_SCORES, protocols)
    assert (found["protocols"][-1], found["labels"]["strange"]) == ("strange", "whispered")


def test_hard_labels_alone_or_soft_ones_of_one_kind_alone_are_no_comparison():
    alone = {name: PROTOCOLS[name] for name in ("classes", "longer")}
    assert regimes(rows(("dit", "1", "classes", 1.0), ("dit", "1", "longer", 2.0)), NO_SCORES, alone) is None


def test_protocols_are_equal_that_have_the_same_updates_of_the_same_batch():
    (equal,) = equal_protocols(PROTOCOLS)
    assert equal == {"protocols": ORDER, "updates": 1500, "views": 150_000}
    other = {"x": {"labels": "hard", "views": EQUAL | {"batch": 50}}, "y": PROTOCOLS["one"]}
    assert equal_protocols(other) == []
    assert equal_protocols({name: PROTOCOLS[name] for name in ("classes", "longer")}) == []


@pytest.fixture(scope="module")
def drawn() -> dict:
    (equal,) = equal_protocols(PROTOCOLS)
    return accuracy_over_labels(TABLE, equal, ["full"], marks_of(TABLE["method"].unique(), ["random"], ["full"]))


def test_the_picture_has_a_panel_for_each_size_and_a_mark_for_each_protocol(drawn):
    assert len(drawn["panels"]) == 2
    assert (drawn["methods"], drawn["lines"]) == (["dit", "random", "lonely"], ["full"])
    marks = []
    for panel in drawn["panels"]:
        root = ElementTree.fromstring(panel)
        counts = {group.get("id", "").partition("-of-")[2]: len(list(group.iter("use"))) for group in root.iter("g")}
        marks.append({name: count for name, count in counts.items() if name and count})
        assert set(ORDER) <= {text.text for text in root.iter("text")}
        assert panel.count("stroke-dasharray") == 1  # the full data
    assert marks == [{"dit": 4, "random": 2, "lonely": 1}, {"dit": 4}]
    titles = [ElementTree.fromstring(panel).find("title").text for panel in drawn["panels"]]
    assert titles[0] == "Test accuracy over labels after 1,500 updates: net, 1 image per class"
