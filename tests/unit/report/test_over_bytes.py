"""The picture of accuracy over the bytes of images and labels."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from retort.report.charts import accuracy_over_bytes
from retort.report.marks import marks_of

ROWS = [
    *(("dit", ipc, top1, size) for ipc, top1, size in (("10", 50.0, 1e5), ("1", 30.0, 1e3), ("3", 40.0, 1e4))),
    ("random", "1", 20.0, 1e3),
    ("unknown", "1", 25.0, float("nan")),
    ("full", "all", 90.0, float("nan")),
]
TABLE = pd.DataFrame(ROWS, columns=["method", "ipc", "top1_last_mean", "bytes"]).assign(
    protocol="hard", student="net", top1_last_std=float("nan"), top1_last_seeds=""
)
MARKS = marks_of(TABLE["method"], ["random"], ["full"])


def places(panel: str, method: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(panel)
    (group,) = (g for g in root.iter("g") if g.get("id", "").endswith(f"-of-{method}"))
    return [(float(use.get("x")), float(use.get("y"))) for use in group.iter("use")]


def test_marks_stand_by_the_logarithm_of_their_bytes_and_lines_follow_them():
    chart = accuracy_over_bytes(TABLE, ["full"], MARKS)
    (panel,) = chart["panels"]
    (x1, y1), (x2, y2), (x3, y3) = places(panel, "dit")
    assert x2 - x1 > 10
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.01)
    assert y1 - y2 > 10  # y points down
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.01)
    ((x, y),) = places(panel, "random")
    assert x == pytest.approx(x1)
    assert y > y1
    texts = [text.text for text in ElementTree.fromstring(panel).iter("text")]
    assert {"1 kB", "bytes of images and labels"} <= set(texts)


def test_a_set_of_unknown_bytes_is_left_out_and_the_full_data_are_a_line():
    chart = accuracy_over_bytes(TABLE, ["full"], MARKS)
    assert chart["methods"] == ["dit", "random"]
    assert chart["lines"] == ["full"]
    assert chart["panels"][0].count("stroke-dasharray") == 1


def test_without_any_bytes_there_is_no_picture():
    assert accuracy_over_bytes(TABLE[TABLE["bytes"].isna()], ["full"], MARKS) is None
