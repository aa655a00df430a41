"""Accuracy over the key that a sweep varies, as a picture."""

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd

from retort.base.files import whole_file
from retort.report.sweep import draw_panel, rows_of

matplotlib.use("Agg")


def draw_sweep(table: str, figure: str, *, sweep: dict, random: list[str], full: list[str]) -> None:
    """Test top-1 over the values of the key, one panel per (protocol, student), a line per number of images per class.

    sweep: from `plan.sweeps`. Error bars are one standard deviation over seeds; dotted lines are the methods `random`
    at the same number of images, dashed ones the methods `full`.
    """
    data = pd.read_csv(table, dtype={"ipc": str})
    rows = rows_of(data, sweep)
    panels = list(rows.groupby(["protocol", "student"], sort=False))
    size = (0.8 + 3.6 * len(panels), 3.6)
    drawing, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, ((protocol, student), own) in zip(axes[0], panels, strict=True):
        around = data[(data["protocol"] == protocol) & (data["student"] == student)]
        draw_panel(axis, own, around, sweep, random, full)
        axis.set_title(f"{protocol} labels, {student}", fontsize=10, parse_math=False)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("test top-1, last step (%)")
    axes[0][0].legend(fontsize=8)
    with whole_file(figure) as scratch:
        drawing.savefig(scratch, dpi=150, format="png")
    plt.close(drawing)
