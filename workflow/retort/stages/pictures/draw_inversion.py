"""How far the inverted latents of each class spread, and how normal they are, beside what they should be."""

from collections.abc import Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from retort.artifacts.inversions import read_spreads
from retort.base.files import whole_file
from retort.data.manifest import read_classes
from retort.methods.spread import WIDEST, Spread
from retort.report.palette import COLOURS

matplotlib.use("Agg")

OBSERVED, EXPECTED = COLOURS[1], COLOURS[0]


def draw_inversion(statistics: Sequence[str], class_table: str, figure: str, *, most_classes: int) -> None:
    """One line per class: on the left its spread beside the expected one, on the right its negentropy before and after.

    statistics: the shards of the first classes, in label order.
    """
    shown = read_classes(class_table)[:most_classes]
    spreads = read_spreads(statistics)[: len(shown)]
    drawing, (left, right) = plt.subplots(1, 2, figsize=(10, 1.6 + 0.32 * len(shown)), sharey=True)
    rows = np.arange(len(shown))
    _draw_spreads(left, rows, spreads)
    _draw_negentropy(right, rows, spreads)
    left.set_yticks(rows, [c.name for c in shown], parse_math=False)
    left.set_ylim(len(shown) - 0.4, -0.6)
    for axis in (left, right):
        axis.grid(axis="x", color="#DDDDDD", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize=9)
    drawing.tight_layout()
    with whole_file(figure) as scratch:
        drawing.savefig(scratch, dpi=130, format="png")
    plt.close(drawing)


def _draw_spreads(axis, rows: np.ndarray, spreads: list[Spread]) -> None:
    expected, observed = (np.array([getattr(s, field) for s in spreads]) for field in ("expected", "observed"))
    bounds = {"left": expected / WIDEST, "height": 0.55, "color": "#E5E5E5", "label": "within bounds"}
    axis.barh(rows, expected * (WIDEST - 1 / WIDEST), **bounds)
    axis.plot(expected, rows, "|", color=EXPECTED, markersize=13, markeredgewidth=2.5, label="expected")
    axis.plot(observed, rows, "o", color=OBSERVED, markersize=7, label="observed")
    axis.set_xlabel("standard deviation of inverted latents within a class")
    axis.set_xlim(left=0)


def _draw_negentropy(axis, rows: np.ndarray, spreads: list[Spread]) -> None:
    clean, inverted = (np.array([getattr(s, field) for s in spreads]) for field in ("clean_negentropy", "negentropy"))
    axis.hlines(rows, clean, inverted, color="#BBBBBB", linewidth=1.5)
    axis.plot(clean, rows, "o", color=EXPECTED, markerfacecolor="white", markersize=7, label="clean latents")
    axis.plot(inverted, rows, "o", color=OBSERVED, markersize=7, label="inverted latents")
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel("negentropy in nats per coordinate (0 is normal)")
