"""Each seed is a dot in the pictures of accuracy."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from retort.report.charts import accuracy_over_ipc
from retort.report.marks import marks_of
from retort.stages.pictures.draw_accuracy import draw_accuracy

ROWS = [("dit", "1", 50.0, "40.00 50.00 60.00"), ("dit", "10", 70.0, "70.00"), ("random", "1", 30.0, "30.00 5.00")]
TABLE = pd.DataFrame(ROWS, columns=["method", "ipc", "top1_last_mean", "top1_last_seeds"]).assign(
    protocol="hard", student="net", top1_last_std=1.0
)


def places(panel: str, group: str) -> list[tuple[float, float]]:
    found = [g for g in ElementTree.fromstring(panel).iter("g") if g.get("id", "").endswith(group)]
    return [(float(use.get("x")), float(use.get("y"))) for g in found for use in g.iter("use")]


def test_the_chart_has_a_dot_for_each_seed_at_its_height():
    (panel,) = accuracy_over_ipc(TABLE, [], marks_of(["dit", "random"], ["random"], []))["panels"]
    dots = places(panel, "seeds-dit")
    assert len(dots) == 4
    (x1, y1), (x2, y2), (x3, y3), (x4, _) = dots
    assert x1 == x2 == x3 < x4
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.01)
    assert y1 > y3  # y points down
    mean, _ = places(panel, "-of-dit")
    assert mean == pytest.approx((x2, y2))
    outlier = places(panel, "seeds-random")[1]
    assert outlier[1] < 237.6 - 30  # above the axis of a panel of 237.6 points: the axis reaches to it


def test_the_picture_of_all_methods_has_them_too(tmp_path):
    pictures = []
    for seeds in ("40.00 50.00 60.00", "49.00 50.00 51.00"):
        TABLE.assign(top1_last_seeds=[seeds, *TABLE["top1_last_seeds"][1:]]).to_csv(tmp_path / "t.csv", index=False)
        draw_accuracy(str(tmp_path / "t.csv"), str(tmp_path / "t.png"), full=[])
        pictures.append((tmp_path / "t.png").read_bytes())
    assert pictures[0] != pictures[1]
