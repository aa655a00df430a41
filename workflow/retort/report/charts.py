"""Charts as SVG inside the page: text is the page's own, and ink takes its colour, in light and in dark."""

import io
import math
import re
from collections.abc import Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from retort.report.palette import COLOURS, MARKERS
from retort.report.words import duration

INK = "#010203"  # stands for the page's text colour, and becomes it
MOST_IN_A_ROW = 2
MOST_TICKS = 7
TICKS = [1, 2, 5, 10, 20, 30, *(60 * m for m in (1, 2, 5, 10, 20, 30)), *(3600 * h for h in (1, 2, 5, 10, 20, 50, 100))]
STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **{"axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "grid.linewidth": 0.5},
}


def marks_of(methods: Sequence[str]) -> dict[str, dict]:
    """A colour and a mark for each method, the pair different for the first 36."""
    return {
        method: {"color": COLOURS[i % 6], "marker": MARKERS[(i + i // 6) % 6], "markersize": 6, "markeredgewidth": 0}
        for i, method in enumerate(methods)
    }


def accuracy_over_ipc(table: pd.DataFrame, lower: list[str], upper: list[str]) -> str:
    """Mean last top-1 over the number of images per class, a panel for each protocol and student.

    Methods of one number stand side by side; bars are one standard deviation, the dashed line is the full data.
    """
    small = table[~table["method"].isin(upper)]
    ipcs = sorted(small["ipc"].unique(), key=int)
    methods, marks = _methods(small, lower)

    def draw(axis: Axes, rows: pd.DataFrame) -> None:
        for i, method in enumerate(methods):
            own = rows[rows["method"] == method]
            own = own.assign(place=[ipcs.index(ipc) for ipc in own["ipc"]]).sort_values("place")
            places = own["place"].astype(float) + 0.6 * ((i + 0.5) / len(methods) - 0.5)
            bars = own["top1_last_std"].fillna(0)
            axis.errorbar(places, own["top1_last_mean"], yerr=bars, **marks[method], lw=1, elinewidth=0.8, label=method)
        axis.set_xticks(range(len(ipcs)), ipcs)
        axis.set_xlim(-0.5, len(ipcs) - 0.5)
        axis.set_xlabel("images per class")

    return _panels(table, upper, draw, "ipc", "Test accuracy over the number of images per class")


def accuracy_over_cost(table: pd.DataFrame, lower: list[str], upper: list[str], seconds: dict[str, float]) -> str:
    """The same over the seconds that a method's sets cost, with its share of what methods share.

    A larger mark is a larger set. Nothing where no time was measured.
    """
    small = table[~table["method"].isin(upper) & table["method"].isin([m for m in seconds if seconds[m] > 0])]
    ipcs = sorted(small["ipc"].unique(), key=int)
    methods, marks = _methods(small, lower)
    if not methods:
        return ""

    def draw(axis: Axes, rows: pd.DataFrame) -> None:
        for method in methods:
            own = rows[rows["method"] == method]
            for i, (ipc, mean) in enumerate(zip(own["ipc"], own["top1_last_mean"], strict=True)):
                style = marks[method] | {"markersize": 5 + 3 * ipcs.index(ipc), "alpha": 0.9}
                label = method if i == 0 else None
                axis.plot([seconds[method]], [mean], linestyle="none", label=label, **style)
        axis.set_xscale("log")
        low, high = min(map(seconds.get, methods)), max(map(seconds.get, methods))
        axis.set_xlim(low / 1.5, high * 1.5)
        ticks = [second for second in TICKS if low / 1.5 <= second <= high * 1.5]
        thinned = ticks[:: math.ceil(len(ticks) / MOST_TICKS)]
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(thinned, [duration(second).replace(".0 ", " ") for second in thinned])
        axis.set_xlabel("time to make the method's sets")

    return _panels(table, upper, draw, "cost", "Test accuracy over the time that a method's sets cost")


def _methods(small: pd.DataFrame, lower: list[str]) -> tuple[list[str], dict[str, dict]]:
    """Methods in the order of the table with their marks; random images have the page's ink."""
    methods = list(small["method"].unique())
    marks = marks_of([method for method in methods if method not in lower])
    return methods, marks | {m: marks_of([m])[m] | {"color": INK, "marker": "x", "markeredgewidth": 1.5} for m in lower}


def _panels(table: pd.DataFrame, upper: list[str], draw, name: str, title: str) -> str:
    """One panel for each protocol and student, drawn by draw(axis, rows), and one legend below."""
    groups = [(key, rows) for key, rows in table.groupby(["protocol", "student"], sort=False)]
    wide = min(MOST_IN_A_ROW, len(groups))
    high = math.ceil(len(groups) / wide)
    entries = table["method"].nunique()
    per_row = 4 if wide == 1 else 6
    below = 0.3 + 0.24 * math.ceil(entries / per_row)
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(1 + 4.4 * wide + (1.6 if wide == 1 else 0), 3.4 * high + below), layout="constrained")
        axes = figure.subplots(high, wide, squeeze=False, sharey=True).flatten()
        for axis in axes[len(groups) :]:
            axis.set_visible(False)
        for axis, ((protocol, student), rows) in zip(axes, groups, strict=False):
            draw(axis, rows[~rows["method"].isin(upper)])
            for _, line in rows[rows["method"].isin(upper)].iterrows():
                axis.axhline(line["top1_last_mean"], color=INK, linestyle="--", lw=1, label=line["method"])
            axis.set_title(f"{protocol}, {student}", fontsize=11, loc="left")
            axis.grid(axis="y", color=INK, alpha=0.15)
            axis.tick_params(labelleft=True)
            axis.set_ylabel("test top-1 (%)")
        shown = {label: mark for axis in axes for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(
            shown.values(), shown.keys(), loc="outside lower left", ncols=per_row, frameon=False, markerscale=1
        )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return inline(buffer.getvalue(), name, title)


def inline(svg: str, name: str, title: str) -> str:
    """matplotlib's SVG as a part of an HTML page: no prolog, ids of its own, the page's font and ink, a title."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"<style.*?</style>| font-family: [^;\"]*;", "", svg, flags=re.DOTALL).replace(INK, "currentColor")
    opening = re.match(r"<svg[^>]*>", svg)[0]
    size = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    width = re.search(r'width="([\d.]+)pt"', opening)[1]
    head = size[:-1] + f' role="img" aria-labelledby="{name}-title" style="max-width: {float(width) * 4 / 3:.0f}px">'
    return head + f'<title id="{name}-title">{title}</title>' + svg[len(opening) :]
