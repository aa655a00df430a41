"""Accuracy over the key that a sweep varies: where the points lie, and what else is drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from retort.report.charts import accuracy_over_key
from retort.report.sweep import draw_panel, rows_of
from retort.stages.pictures.draw_sweep import draw_sweep

NUMBERS = {
    "method": "dit",
    "key": "generate.guidance",
    "members": [{"method": f"s-{n}", "shown": str(n), "number": float(n)} for n in (1, 2, 4)],
}
WORDS = {
    "method": "dit",
    "key": "generate.sampler",
    "members": [{"method": f"w-{word}", "shown": word, "number": None} for word in ("ddim", "ddpm")],
}


def table(protocols=("hard",), ipcs=("1", "10")) -> pd.DataFrame:
    means = {"s-1": 30.0, "s-2": 40.0, "s-4": 35.0, "w-ddim": 50.0, "w-ddpm": 45.0, "random": 25.0}
    rows = [
        {
            "method": m,
            "ipc": ipc,
            "protocol": p,
            "student": "net",
            "top1_last_mean": mean + int(ipc),
            "top1_last_std": 2.0,
        }
        for p in protocols
        for ipc in ipcs
        for m, mean in means.items()
    ]
    full = {"method": "full", "ipc": "all", "protocol": "hard", "student": "net", "top1_last_mean": 90.0}
    return pd.DataFrame([*rows, full])


def drawn(sweep: dict, data: pd.DataFrame):
    axis = Figure().subplots()
    draw_panel(axis, rows_of(data, sweep), data, sweep, ["random"], ["full"])
    return axis


def test_numbers_lie_at_their_values_with_a_line_and_bars_for_each_number_of_images():
    axis = drawn(NUMBERS, table().sample(frac=1, random_state=0))
    lines = {bar.get_label(): bar.lines for bar in axis.containers}
    assert list(lines) == ["1 image per class", "10 images per class"]
    (line, _, (bars,)) = lines["10 images per class"]
    assert line.get_xdata().tolist() == [1, 2, 4]
    assert line.get_ydata().tolist() == [40, 50, 45]
    assert bars.get_segments()[1].tolist() == [[2, 48], [2, 52]]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "2", "4"]
    assert axis.get_xlabel() == "generate.guidance of dit"


def test_words_lie_side_by_side_in_the_order_of_the_config():
    axis = drawn(WORDS, table(ipcs=["1"]))
    assert axis.containers[0].lines[0].get_xdata().tolist() == [0, 1]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["ddim", "ddpm"]


def test_random_images_of_the_same_number_are_dotted_and_the_full_set_is_dashed():
    axis = drawn(NUMBERS, table())
    straight = {(line.get_linestyle(), float(line.get_ydata()[0])) for line in axis.lines if len(line.get_xdata()) == 2}
    assert straight == {(":", 26.0), (":", 35.0), ("--", 90.0)}


def test_a_member_is_no_baseline_of_its_own_sweep():
    data, axis = table(), Figure().subplots()
    draw_panel(axis, rows_of(data, NUMBERS), data, NUMBERS, ["random", "s-1"], ["full", "s-4"])
    straight = {float(line.get_ydata()[0]) for line in axis.lines if len(line.get_xdata()) == 2}
    assert straight == {26.0, 35.0, 90.0}


def test_a_single_seed_has_no_bars_and_is_drawn():
    data = table().assign(top1_last_std=float("nan"))
    _, _, (bars,) = drawn(NUMBERS, data).containers[0].lines
    assert np.ptp(bars.get_segments()[0], axis=0).tolist() == [0, 0]


@pytest.mark.parametrize("sweep", [NUMBERS, WORDS], ids=["numbers", "words"])
def test_the_picture_and_the_charts_of_the_page_have_a_panel_for_each_protocol_of_the_sweep(tmp_path, sweep):
    data = table(["hard", "soft"])
    data.loc[len(data)] = {"method": "random", "ipc": "1", "protocol": "other", "student": "net", "top1_last_mean": 1.0}
    data.to_csv(tmp_path / "accuracy.csv", index=False)
    draw_sweep(
        str(tmp_path / "accuracy.csv"), str(tmp_path / "sweep.png"), sweep=sweep, random=["random"], full=["full"]
    )
    picture = Image.open(tmp_path / "sweep.png")
    assert picture.width > 1.5 * picture.height
    assert np.asarray(picture.convert("L")).std() > 10
    chart = accuracy_over_key(data, "s", sweep, ["random"], ["full"])
    assert len(chart["panels"]) == 2
    assert "hard, net" in chart["panels"][0]
    assert "soft, net" in chart["panels"][1]
    for panel in chart["panels"]:
        assert f"Test accuracy over {sweep['key']} of dit" in panel
        assert "10 images per class" in panel
        assert "currentColor" in panel
