"""Accuracies as tables keep them and as people read them: the one place that rounds them."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pandas as pd

DIGITS = 6  # decimals that tables keep: what is shown is rounded from these, and so but once


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the numbers that its CSV gives back, so that every reader rounds the same ones for people."""
    return table.round(DIGITS)


def written(number: float, least: int = 2) -> str:
    """A kept number in a CSV: all of its decimals, and at least `least`; 80.00, 5.147012."""
    text = f"{number:.{DIGITS}f}"
    whole, decimals = text.split(".")
    return f"{whole}.{decimals.rstrip('0').ljust(least, '0')}"


def save_numbers(table: pd.DataFrame, path: str | Path, least: dict[str, int] | None = None) -> None:
    """CSV of a table of kept numbers; `least`: fewest decimals of columns that want other than two."""
    decimals = {name: (least or {}).get(name, 2) for name in table.select_dtypes("float")}
    texts = {name: table[name].map(partial(written, least=n), na_action="ignore") for name, n in decimals.items()}
    table.assign(**texts).to_csv(path, index=False)


def read_numbers(path: str | Path) -> pd.DataFrame:
    """What `save_numbers` wrote, with the same numbers to their last bit; images per class and lists as text."""
    return pd.read_csv(path, dtype={"ipc": str, "top1_last_seeds": str}, float_precision="round_trip")


BETWEEN_SETS = " | "


def listed(values: Iterable[float]) -> str:
    """Several values in one cell of a CSV: "50.00 60.25"."""
    return " ".join(written(round(value, DIGITS)) for value in values)


def values_in(cell: str | float) -> list[float]:
    """What `listed` wrote, of all sets; nothing of an empty cell."""
    return [float(value) for value in str(cell).replace(BETWEEN_SETS, " ").split()] if not pd.isna(cell) else []


def by_seed(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of accuracies, each once for each of its seeds, whose last top-1 is `top1`."""
    seeds = table.assign(top1=table["top1_last_seeds"].map(values_in)).explode("top1").dropna(subset="top1")
    return seeds.astype({"top1": float})


def spread(mean: float, std: float) -> str:
    """Mean ± standard deviation; a single seed has none."""
    return f"{mean:.1f}" + ("" if pd.isna(std) else f" ± {std:.1f}")


def gap(value: float) -> str:
    """A difference of accuracies with its sign; nothing for one that was not measured."""
    return "" if pd.isna(value) else f"{value:+.1f}"


def p_text(p: float) -> str:
    return "" if pd.isna(p) else "<0.001" if p < 0.001 else f"{p:.3f}"
