"""Maps of what a discovery found: each class's embedding in two dimensions, clusters, noise, representatives."""

from collections.abc import Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from retort.base.files import read_rows, whole_file
from retort.base.tensors import open_tensors
from retort.base.words import counted
from retort.data.manifest import read_classes
from retort.report.palette import COLOURS, MARKERS

matplotlib.use("Agg")

ACROSS = 5


def draw_discovery(
    clusters: Sequence[str], representatives: Sequence[str], class_table: str, figure: str, *, most_classes: int
) -> None:
    """One panel per class: the first two principal axes of the embedding, in which the clusters were found."""
    shown = read_classes(class_table)[:most_classes]
    tensors = {name: array for path in clusters for name, array in open_tensors(path).items()}
    chosen = [row for path in representatives for row in read_rows(path)]
    down = -(-len(shown) // ACROSS)
    drawing, axes = plt.subplots(down, ACROSS, figsize=(2.6 * ACROSS, 2.9 * down), squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    for axis, c in zip(axes.flat, shown, strict=False):
        points = principal_plane(np.asarray(tensors[f"embedding/{c.id}"]))
        labels, rows = np.asarray(tensors[f"labels/{c.id}"]), np.asarray(tensors[f"rows/{c.id}"])
        noise = labels < 0
        axis.scatter(*points[noise].T, s=6, c="#BBBBBB", linewidths=0)
        for k in range(labels.max() + 1):
            style = {"color": COLOURS[k % 6], "marker": MARKERS[k // 6 % 6], "linewidths": 0}
            axis.scatter(*points[labels == k].T, s=12, **style)
        stars = [int(np.flatnonzero(rows == int(r["row"]))[0]) for r in chosen if int(r["class_index"]) == c.index]
        axis.scatter(*points[stars].T, s=90, marker="*", c="black", edgecolors="white", linewidths=0.8, zorder=3)
        axis.set_title(
            f"{c.name}\n{counted(labels.max() + 1, 'cluster')}, {noise.sum()} noise", fontsize=10, parse_math=False
        )
        axis.set_xticks([])
        axis.set_yticks([])
    drawing.tight_layout()
    with whole_file(figure) as scratch:
        drawing.savefig(scratch, dpi=130, format="png")
    plt.close(drawing)


def principal_plane(points: np.ndarray) -> np.ndarray:
    """(n, 2): points (n, d) on their first two principal axes; zeros where there are fewer."""
    centred = points - points.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    plane = (u * s)[:, :2]
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))
