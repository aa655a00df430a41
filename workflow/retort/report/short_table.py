"""The accuracies of all sets side by side, as narrow as a terminal."""

from collections.abc import Sequence

METHOD = "method"
GAP = "  "
BLOCKS = 2  # of columns, one below the other; further columns are counted


def short_table(rows: Sequence[dict[str, str]], width: int) -> str:
    """A line for each method and a column for each size, protocol and student, of the rows of `accuracy.csv`.

    Cells are the mean last top-1 accuracy in per cent and its standard deviation over students; methods that keep all
    images stand in the columns of every size, or where there is none in one of their own. No line is wider than `width`
    characters, if one column is not: columns that do not fit stand in a second block below, and what does not fit there
    is counted in a last line.
    """
    methods = list(dict.fromkeys(row[METHOD] for row in rows))
    sized = {_column(row)[1:] for row in rows if row["ipc"] != "all"}
    columns = list(dict.fromkeys(c for c in map(_column, rows) if c[0] != "all" or c[1:] not in sized))
    cells = {}
    for row in rows:
        own = _column(row)
        same = [c for c in columns if c[1:] == own[1:]] if row["ipc"] == "all" else [own]
        cells |= {(row[METHOD], column): _cell(row) for column in same}
    heads = [_head(column, columns) for column in columns]
    texts = [[*head, *(cells.get((m, c), "") for m in methods)] for head, c in zip(heads, columns, strict=True)]
    first = [METHOD, *[""] * (len(heads[0]) - 1), *methods]
    blocks, left = [], texts
    while left and len(blocks) < BLOCKS:
        count = _fitting(first, left, width)
        blocks.append(_lines([first, *left[:count]]))
        left = left[count:]
    more = [f"({len(left)} more columns do not fit here)"] if left else []
    return "\n\n".join([*blocks, *more])


def _column(row: dict[str, str]) -> tuple[str, str, str]:
    return row["ipc"], row["protocol"], row["student"]


def _head(column: tuple[str, str, str], columns: Sequence[tuple[str, str, str]]) -> list[str]:
    """IPC and protocol, and the student where there are several."""
    ipc, protocol, student = column
    several = len({other[2] for other in columns}) > 1
    return ["all images" if ipc == "all" else f"IPC {ipc}", protocol, *([student] if several else [])]


def _cell(row: dict[str, str]) -> str:
    mean, deviation = row["top1_last_mean"], row["top1_last_std"]
    if not mean:
        return ""
    return f"{float(mean):.1f} ± {float(deviation):.1f}" if deviation else f"{float(mean):.1f}"


def _fitting(first: Sequence[str], columns: Sequence[Sequence[str]], width: int) -> int:
    """How many columns fit beside the first one; at least one."""
    taken = max(map(len, first))
    for count, column in enumerate(columns):
        taken += len(GAP) + max(map(len, column))
        if taken > width:
            return max(count, 1)
    return len(columns)


def _lines(columns: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for name, *cells in zip(*columns, strict=True):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append(GAP.join([name.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)
