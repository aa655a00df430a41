"""Accuracy over the key that a sweep varies: a line for each number of images per class."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from retort.base.words import images_per_class
from retort.report.palette import COLOURS, MARKERS


def rows_of(table: pd.DataFrame, sweep: dict) -> pd.DataFrame:
    """The rows of a sweep's members with the `place` of each on the axis of the key.

    table: as accuracy.csv, ipc as text. sweep: see `plan.sweeps`. The place is the value where all are numbers, and
    otherwise counts the values from 0.
    """
    places = dict(zip((m["method"] for m in sweep["members"]), _places(sweep["members"]), strict=True))
    rows = table[table["method"].isin(places)]
    return rows.assign(place=rows["method"].map(places).astype(float))


def _places(members: Sequence[dict]) -> list[float]:
    numbers = [member["number"] for member in members]
    return list(range(len(members))) if None in numbers else numbers


def draw_panel(
    axis: Axes,
    rows: pd.DataFrame,
    around: pd.DataFrame,
    sweep: dict,
    baselines: Sequence[str],
    upper_bounds: Sequence[str],
    ink: str = "black",
) -> None:
    """One protocol and student: mean last top-1 in per cent over the key, bars of one standard deviation over seeds.

    rows: from `rows_of`. around: all rows of this protocol and student, in which the methods `baselines` are dotted
    lines in the colour of their number of images, and `upper_bounds` dashed ones in `ink`; members of the sweep are
    neither.
    """
    around = around[~around["method"].isin([member["method"] for member in sweep["members"]])]
    for i, ipc in enumerate(sorted(rows["ipc"].unique(), key=_size)):
        own = rows[rows["ipc"] == ipc].sort_values("place")
        colour, spread = COLOURS[i % len(COLOURS)], own["top1_last_std"].fillna(0)
        style = {"color": colour, "marker": MARKERS[i % len(MARKERS)], "lw": 1, "elinewidth": 0.8, "capsize": 2}
        axis.errorbar(own["place"], own["top1_last_mean"], yerr=spread, label=images_per_class(ipc), **style)
        for mean in around[around["method"].isin(baselines) & (around["ipc"] == ipc)]["top1_last_mean"]:
            axis.axhline(mean, color=colour, linestyle=":", lw=1)
    for mean in around[around["method"].isin(upper_bounds)]["top1_last_mean"]:
        axis.axhline(mean, color=ink, linestyle="--", lw=1)
    axis.set_xticks(_places(sweep["members"]), [member["shown"] for member in sweep["members"]])
    axis.set_xlabel(f"{sweep['key']} of {sweep['method']}", parse_math=False)


def _size(ipc: str) -> float:
    return float("inf") if ipc == "all" else int(ipc)
