"""A colour and a mark for each method: the same pair in every chart, legend and table of the page."""

from collections.abc import Iterable, Sequence

from matplotlib.markers import MarkerStyle
from matplotlib.path import Path

from retort.report.palette import COLOURS

INK = "#010203"  # stands for the page's text colour, and becomes it
# Shapes that stay apart when they are small, filled and hollow. Their number has no factor in common with that of the
# colours, so that counting through both at once meets each pair once.
SHAPES = [("o", "full"), ("s", "full"), ("^", "full"), ("D", "full"), ("v", "full"), ("P", "full"), ("*", "full")]
SHAPES += [("o", "none"), ("s", "none"), ("^", "none"), ("D", "none")]
HOLLOW_EDGE, FILLED_EDGE = 1.4, 0.5  # points
SIZE = 7.0  # points


def marks_of(methods: Iterable[str], baselines: Sequence[str], upper_bounds: Sequence[str]) -> dict[str, dict]:
    """matplotlib's style of each method's mark, by its place among `methods`; the pairs of the first 66 differ.

    Random real images (`baselines`) are a cross in the page's ink, `upper_bounds` are lines and have no mark. Filled
    marks have an edge in the page's ink, so that a pale colour is seen on any paper.
    """
    methods = list(methods)
    marked = [method for method in methods if method not in {*baselines, *upper_bounds}]
    marks = {method: _style(place) for place, method in enumerate(marked)}
    cross = {"color": INK, "marker": "x", "markersize": SIZE, "fillstyle": "full", "markeredgewidth": 1.5}
    return {
        m: cross | {"markeredgecolor": INK} if m in baselines else marks[m] for m in methods if m not in upper_bounds
    }


def _style(place: int) -> dict:
    colour, (shape, fill) = COLOURS[place % len(COLOURS)], SHAPES[place % len(SHAPES)]
    edge = {"markeredgecolor": colour, "markeredgewidth": HOLLOW_EDGE}
    if fill == "full":
        edge = {"markeredgecolor": INK, "markeredgewidth": FILLED_EDGE}
    return {"color": colour, "marker": shape, "markersize": SIZE, "fillstyle": fill} | edge


def symbol_of(style: dict) -> dict:
    """A mark as an SVG path in a box of 12 units around the origin: d, fill, stroke and the stroke's width."""
    mark = MarkerStyle(style["marker"], fillstyle=style["fillstyle"])
    path = mark.get_path().transformed(mark.get_transform().scale(style["markersize"]))
    filled = mark.is_filled() and style["fillstyle"] == "full"
    colours = {"fill": style["color"] if filled else "none", "stroke": style["markeredgecolor"]}
    inked = {key: "currentColor" if colour == INK else colour for key, colour in colours.items()}
    return inked | {"d": _drawn(path), "width": style["markeredgewidth"]}


LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}


def _drawn(path: Path) -> str:
    """SVG's commands for a path whose y points up."""
    steps = []
    for points, code in path.iter_segments():
        numbers = [] if code == Path.CLOSEPOLY else [f"{v if i % 2 == 0 else -v:.2f}" for i, v in enumerate(points)]
        steps.append(LETTERS[code] + " ".join(numbers))
    return "".join(steps)
