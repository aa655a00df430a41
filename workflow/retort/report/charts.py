"""Charts as SVG inside the page: text is the page's own, and ink takes its colour, in light and in dark.

A chart is a panel for each protocol and student, each a drawing of its own: the page lays them side by side where there
is room, and below each other on a telephone, with letters of the same size.
"""

import html
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from retort.base.words import images_per_class
from retort.report.marks import INK
from retort.report.numbers import by_seed
from retort.report.sweep import draw_panel, rows_of
from retort.report.words import duration, size

PANEL = (4.5, 3.3)  # inches
MOST_TICKS = 5
TICKS = [1, 2, 5, 10, 20, 30, *(60 * m for m in (1, 2, 5, 10, 20, 30)), *(3600 * h for h in (1, 2, 5, 10, 20, 50, 100))]
STYLE = {
    "svg.fonttype": "none",
    "font.size": 11,
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 10),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **{"axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "grid.linewidth": 0.5},
}
Draw = Callable[[Axes, pd.DataFrame], None]


def accuracy_over_ipc(table: pd.DataFrame, upper_bounds: Sequence[str], marks: dict[str, dict]) -> dict:
    """Mean last top-1 over the number of images per class: `panels` (SVG), `methods` and `lines` of the legend.

    Methods of one number stand side by side; bars are one standard deviation, dots are the seeds, the dashed line is
    the full data.
    """
    small = table[~table["method"].isin(upper_bounds)]
    ipcs = sorted(small["ipc"].unique(), key=int)
    methods = _methods(small, marks)

    def draw(axis: Axes, rows: pd.DataFrame) -> None:
        _side_by_side(axis, rows.assign(place=rows["ipc"].map(ipcs.index)), ipcs, methods, marks)
        axis.set_xlabel("images per class")

    return _chart(table, upper_bounds, draw, methods, "ipc", "Test accuracy over the number of images per class")


def accuracy_over_cost(
    table: pd.DataFrame, upper_bounds: Sequence[str], marks: dict[str, dict], seconds: dict[str, float]
) -> dict | None:
    """The same over the seconds that a method's sets cost, with its share of what methods share.

    A larger mark is a larger set. None where no time was measured.
    """
    small = table[~table["method"].isin(upper_bounds) & table["method"].isin([m for m in seconds if seconds[m] > 0])]
    ipcs = sorted(small["ipc"].unique(), key=int)
    methods = _methods(small, marks)
    if not methods:
        return None

    def draw(axis: Axes, rows: pd.DataFrame) -> None:
        for method in methods:
            own = rows[rows["method"] == method]
            for ipc, mean in zip(own["ipc"], own["top1_last_mean"], strict=True):
                style = marks[method] | {"markersize": 6 + 3 * ipcs.index(ipc)}
                axis.plot([seconds[method]], [mean], linestyle="none", gid=f"of-{method}-{ipc}", **style)
        _logarithmic(
            axis, [seconds[method] for method in methods], TICKS, lambda tick: duration(tick).replace(".0 ", " ")
        )
        axis.set_xlabel("time to make the method's sets")

    return _chart(table, upper_bounds, draw, methods, "cost", "Test accuracy over the time that a method's sets cost")


def accuracy_over_bytes(table: pd.DataFrame, upper_bounds: Sequence[str], marks: dict[str, dict]) -> dict | None:
    """The same over the bytes of a set's images and labels together; None where none are known."""
    small = table[~table["method"].isin(upper_bounds) & table["bytes"].notna()]
    methods = _methods(small, marks)
    if not methods:
        return None
    ticks = [first * 10**power for power in range(16) for first in (1, 2, 5)]

    def draw(axis: Axes, rows: pd.DataFrame) -> None:
        for method in methods:
            own = rows[rows["method"] == method].dropna(subset="bytes").sort_values("bytes")
            axis.plot(own["bytes"].astype(float), own["top1_last_mean"], gid=f"of-{method}", lw=1, **marks[method])
        _logarithmic(axis, small["bytes"].astype(float), ticks, size)
        axis.set_xlabel("bytes of images and labels")

    return _chart(table, upper_bounds, draw, methods, "bytes", "Test accuracy over the bytes of images and labels")


def accuracy_over_labels(table: pd.DataFrame, equal: dict, upper_bounds: Sequence[str], marks: dict[str, dict]) -> dict:
    """The same over label regimes at equal updates: a panel for each student and number of images per class.

    equal: one of `regimes.equal_protocols`. The dashed line is the full data, trained equally long.
    """
    names = equal["protocols"]
    table = table[table["protocol"].isin(names)].assign(place=lambda t: t["protocol"].map(names.index))
    whole = table[table["method"].isin(upper_bounds)].sort_values("place")
    small = table[~table["method"].isin(upper_bounds)]
    methods, limits = _methods(small, marks), _limits(table)

    def draw(axis: Axes, rows: pd.DataFrame) -> None:
        _side_by_side(axis, rows, names, methods, marks)
        for _, line in whole[whole["student"] == rows["student"].iloc[0]].groupby("method"):
            axis.plot(line["place"], line["top1_last_mean"], color=INK, linestyle="--", lw=1)
        axis.set_ylim(*limits)
        axis.set_xlabel("protocol", parse_math=False)

    title = f"Test accuracy over labels after {equal['updates']:,} updates"
    small = small.assign(size=small["ipc"].map(images_per_class))
    panels = _panels(small, draw, f"labels-{'-'.join(names)}", title, by=("student", "size"))
    there = [name for name in upper_bounds if name in set(whole["method"])]
    return {"panels": panels, "methods": methods, "lines": there} | equal


def accuracy_over_key(
    table: pd.DataFrame, name: str, sweep: dict, baselines: Sequence[str], upper_bounds: Sequence[str]
) -> dict:
    """Mean last top-1 over the values of the key that a sweep varies: `name`, `key`, `method` and `panels` (SVG).

    sweep: from `plan.sweeps`. Lines are numbers of images per class; dotted ones are the methods `baselines` of the
    same number, dashed ones `upper_bounds`. A panel has no more protocols and students than the sweep was measured by.
    """
    rows = rows_of(table, sweep)

    def draw(axis: Axes, own: pd.DataFrame) -> None:
        same = (table["protocol"] == own["protocol"].iloc[0]) & (table["student"] == own["student"].iloc[0])
        draw_panel(axis, own, table[same], sweep, baselines, upper_bounds, ink=INK)
        axis.legend(fontsize=10, frameon=False)

    title = f"Test accuracy over {sweep['key']} of {sweep['method']}"
    panels = _panels(rows, draw, f"sweep-{name}", title)
    return {"name": name, "key": sweep["key"], "method": sweep["method"], "panels": panels}


def _side_by_side(
    axis: Axes, rows: pd.DataFrame, ticks: Sequence[str], methods: Sequence[str], marks: dict[str, dict]
) -> None:
    """Each method's means, bars of one standard deviation and dots of seeds, beside those of others of its `place`.

    place: the number of a tick.
    """
    for i, method in enumerate(methods):
        own = rows[rows["method"] == method].sort_values("place")
        own = own.assign(place=own["place"].astype(float) + 0.6 * ((i + 0.5) / len(methods) - 0.5))
        bars, style = own["top1_last_std"].fillna(0), marks[method] | {"lw": 1, "elinewidth": 0.8}
        line, *_ = axis.errorbar(own["place"], own["top1_last_mean"], yerr=bars, **style)
        line.set_gid(f"of-{method}")
        _dots(axis, own, marks[method]["color"], f"seeds-{method}")
    axis.set_xticks(range(len(ticks)), ticks)
    axis.set_xlim(-0.5, len(ticks) - 0.5)


def _dots(axis: Axes, rows: pd.DataFrame, colour: str, gid: str) -> None:
    """Each seed of the rows as a small dot at its row's `place`."""
    seeds = by_seed(rows)
    style = {"color": colour, "marker": "o", "markersize": 2.2, "markeredgewidth": 0, "linestyle": "none"}
    axis.plot(seeds["place"], seeds["top1"], alpha=0.55, gid=gid, zorder=1, **style)


def _logarithmic(axis: Axes, values: Iterable[float], ticks: Sequence[float], said: Callable[[float], str]) -> None:
    """An axis of x that has all values and some room beside them, with a few of the ticks, as `said` says them."""
    values = list(values)
    low, high = min(values) / 1.5, max(values) * 1.5
    shown = _thinned(ticks, low, high)
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(shown, list(map(said, shown)))


def _thinned(ticks: Sequence[float], low: float, high: float) -> list[float]:
    """Those between two ends, and of many every second, third, ... one."""
    inside = [tick for tick in ticks if low <= tick <= high]
    return inside[:: max(1, math.ceil(len(inside) / MOST_TICKS))]


def _methods(small: pd.DataFrame, marks: dict[str, dict]) -> list[str]:
    """The methods of the rows, in the order of their marks."""
    there = set(small["method"])
    return [method for method in marks if method in there]


def _chart(
    table: pd.DataFrame, upper_bounds: Sequence[str], draw: Draw, methods: list[str], name: str, title: str
) -> dict:
    """A panel for each protocol and student, drawn by draw(axis, rows), all with the same axis of accuracy."""
    shown = table[table["method"].isin([*methods, *upper_bounds])]
    limits = _limits(shown)

    def panel(axis: Axes, rows: pd.DataFrame) -> None:
        draw(axis, rows[~rows["method"].isin(upper_bounds)])
        for line in rows.loc[rows["method"].isin(upper_bounds), "top1_last_mean"]:
            axis.axhline(line, color=INK, linestyle="--", lw=1)
        axis.set_ylim(*limits)

    panels = _panels(table, panel, name, title)
    return {
        "panels": panels,
        "methods": methods,
        "lines": [name for name in upper_bounds if name in set(table["method"])],
    }


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Where an axis of accuracy begins and ends that has all means of the rows, with their spread and every seed."""
    spread, seeds = rows["top1_last_std"].fillna(0), by_seed(rows)["top1"]
    ends = pd.concat([rows["top1_last_mean"] - spread, rows["top1_last_mean"] + spread, seeds])
    low, high = ends.min(), ends.max()
    room = 0.06 * max(high - low, 1)
    return low - room, high + room


def _panels(
    table: pd.DataFrame, draw: Draw, name: str, title: str, by: tuple[str, str] = ("protocol", "student")
) -> list[str]:
    """A drawing of each protocol and student, or what else is in `by`, as SVG; draw(axis, rows) is given its rows."""
    panels = []
    for i, (cell, rows) in enumerate(table.groupby(list(by), sort=False)):
        with matplotlib.rc_context(STYLE | {"svg.hashsalt": f"{name}-{i}"}):
            figure = Figure(figsize=PANEL, layout="constrained")
            axis = figure.subplots()
            draw(axis, rows)
            axis.set_title(", ".join(cell), fontsize=11, loc="left", parse_math=False)
            axis.grid(axis="y", color=INK, alpha=0.15)
            axis.set_ylabel("test top-1 (%)")
            buffer = io.StringIO()
            figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        panels.append(inline(buffer.getvalue(), f"{name}-{i}", f"{title}: {', '.join(cell)}"))
    return panels


def inline(svg: str, name: str, title: str) -> str:
    """matplotlib's SVG as a part of an HTML page: no prolog, ids of its own, the page's font and ink, a title."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"<style.*?</style>| font-family: [^;\"]*;", "", svg, flags=re.DOTALL).replace(INK, "currentColor")
    opening = re.match(r"<svg[^>]*>", svg)[0]
    size = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    head = size[:-1] + f' role="img" aria-labelledby="{name}-title">'
    return head + f'<title id="{name}-title">{html.escape(title)}</title>' + svg[len(opening) :]
