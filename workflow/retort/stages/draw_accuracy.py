"""Accuracy over images per class, as a picture."""

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd

from retort.data.files import whole_file

matplotlib.use("Agg")

# Okabe and Ito's palette: told apart with any colour vision; black is kept for the full set.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442"]
MARKERS = "osD^vPX"


def draw_accuracy(table: str, output: str, *, full: list[str]) -> None:
    """Top-1 over images per class, one panel per (protocol, student), error bars of one standard deviation."""
    data = pd.read_csv(table, dtype={"ipc": str})
    panels = list(data.groupby(["protocol", "student"], sort=False))
    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 3.8), sharey=True, squeeze=False)
    methods = [m for m in data["method"].unique() if m not in full]
    for axis, ((protocol, student), rows) in zip(axes[0], panels, strict=True):
        for i, method in enumerate(methods):
            line = rows[rows["method"] == method]
            style = {
                "color": COLOURS[i % len(COLOURS)],
                "marker": MARKERS[i % len(MARKERS)],
                "capsize": 3,
                "label": method,
            }
            axis.errorbar(line["ipc"].astype(int), line["top1_last_mean"], line["top1_last_std"].fillna(0), **style)
        for _, line in rows[rows["method"].isin(full)].iterrows():
            axis.axhline(line["top1_last_mean"], color="black", linestyle="--", linewidth=1, label=line["method"])
        ticks = sorted(rows.loc[~rows["method"].isin(full), "ipc"].astype(int).unique())
        if ticks:
            axis.set_xscale("log")
            axis.set_xticks(ticks, [str(t) for t in ticks])
            axis.minorticks_off()
        axis.set_title(f"{protocol} labels, {student}", fontsize=10)
        axis.set_xlabel("images per class")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("test top-1, last step (%)")
    axes[0][-1].legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    with whole_file(output) as scratch:
        figure.savefig(scratch, dpi=150, format="png")
    plt.close(figure)
