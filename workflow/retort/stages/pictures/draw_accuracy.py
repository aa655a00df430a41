"""Accuracy of every method side by side, as a picture."""

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from retort.base.files import whole_file
from retort.report.numbers import by_seed, read_numbers
from retort.report.palette import COLOURS, MARKERS

matplotlib.use("Agg")

ROW = 0.28  # inches
BELOW = 0.25  # of a row: dots of seeds stand clear of the bars


def draw_accuracy(table: str, figure: str, *, full: list[str]) -> None:
    """Test top-1, one row per method, one panel per (protocol, student), a mark for each number of images per class.

    Error bars are one standard deviation over seeds, dots the seeds themselves; a dashed line is a student of the full
    training set.
    """
    data = read_numbers(table)
    small = data[~data["method"].isin(full)]
    methods = list(small["method"].unique())
    ipcs = sorted(small["ipc"].unique(), key=int)
    panels = list(data.groupby(["protocol", "student"], sort=False))
    size = (1.6 + 3.4 * len(panels), 1.3 + ROW * max(len(methods), 4))
    drawing, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for axis, ((protocol, student), rows) in zip(axes[0], panels, strict=True):
        for i, ipc in enumerate(ipcs):
            marks = rows[(rows["ipc"] == ipc) & ~rows["method"].isin(full)]
            heights = [methods.index(m) for m in marks["method"]]
            style = {"color": COLOURS[i % 6], "marker": MARKERS[i % 6], "linestyle": "none", "capsize": 2}
            spread = marks["top1_last_std"].fillna(0) if marks["top1_last_std"].notna().any() else None
            axis.errorbar(marks["top1_last_mean"], heights, xerr=spread, label=f"{ipc} per class", **style)
            seeds = by_seed(marks.assign(height=heights))
            axis.plot(seeds["top1"], seeds["height"] + BELOW, ".", color=COLOURS[i % 6], alpha=0.5, markersize=3)
        for _, line in rows[rows["method"].isin(full)].iterrows():
            axis.axvline(line["top1_last_mean"], color="black", linestyle="--", linewidth=1, label=line["method"])
        axis.set_title(f"{protocol} labels, {student}", fontsize=10)
        axis.set_xlabel("test top-1, last step (%)")
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axis.grid(alpha=0.3)
    axes[0][0].set_yticks(range(len(methods)), methods)
    axes[0][0].set_ylim(len(methods) - 0.5, -0.5)
    marks = {label: mark for axis in axes[0] for mark, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    drawing.tight_layout(rect=(0, 0, 1, 1 - 0.3 / size[1]))
    drawing.legend(marks.values(), marks.keys(), fontsize=8, ncols=len(marks), loc="upper center")
    with whole_file(figure) as scratch:
        drawing.savefig(scratch, dpi=150, format="png")
    plt.close(drawing)
