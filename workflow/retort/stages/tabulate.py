"""The tables that users read: accuracy, costs, and the quality of the models in between."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from retort.data.files import read_json, whole_file

CELL = ["dataset", "method", "ipc", "protocol", "student"]
MEASURES = {"top1_last": ("last", "top1"), "top1_best": ("best", "top1"), "top5_last": ("last", "top5")}


def tabulate_accuracy(students: Sequence[str], csv: str, markdown: str, *, random: list[str], full: list[str]) -> None:
    """One row per (dataset, method, ipc, protocol, student): means and standard deviations over seeds, in per cent.

    `random` and `full` name the methods that are the lower and the upper line; the gaps are differences of mean
    last top-1 to them, empty where they were not run.
    """
    table = accuracy_table([read_json(path) for path in students], random, full)
    with whole_file(csv) as scratch:
        table.to_csv(scratch, index=False, float_format="%.2f")
    with whole_file(markdown) as scratch:
        scratch.write_text(accuracy_markdown(table))
    print(accuracy_markdown(table))


def accuracy_table(students: Sequence[dict], random: list[str], full: list[str]) -> pd.DataFrame:
    """The rows described at `tabulate_accuracy`, in the order in which the students come."""
    flat = [
        {key: s[key] for key in CELL} | {name: 100 * s[when][what] for name, (when, what) in MEASURES.items()}
        for s in students
    ]
    groups = pd.DataFrame(flat).groupby(CELL, sort=False)
    table = groups.size().rename("seeds").to_frame()
    for name in MEASURES:
        table[f"{name}_mean"] = groups[name].mean()
        table[f"{name}_std"] = groups[name].std()  # unbiased; empty for a single seed
    table = table.reset_index()
    table["gap_to_random"] = _gap(table, random, ["dataset", "ipc", "protocol", "student"])
    table["gap_to_full"] = _gap(table, full, ["dataset", "protocol", "student"])
    return table


def _gap(table: pd.DataFrame, lines: list[str], same: list[str]) -> pd.Series:
    """Mean last top-1 minus that of the first method of `lines` with the same values in the columns `same`."""
    line = table[table["method"].isin(lines)].drop_duplicates(same).set_index(same)["top1_last_mean"]
    keys = pd.MultiIndex.from_frame(table[same])
    return table["top1_last_mean"] - line.reindex(keys).to_numpy()


def accuracy_markdown(table: pd.DataFrame) -> str:
    """The same rows for people: mean ± standard deviation over the seeds."""

    def spread(name: str) -> list[str]:
        pairs = zip(table[f"{name}_mean"], table[f"{name}_std"], strict=True)
        return [f"{mean:.1f}" + ("" if pd.isna(std) else f" ± {std:.1f}") for mean, std in pairs]

    shown = table[[*CELL, "seeds"]].assign(
        **{
            "top-1 last": spread("top1_last"),
            "top-1 best*": spread("top1_best"),
            "top-5 last": spread("top5_last"),
            "to random": [f"{gap:+.1f}" if pd.notna(gap) else "" for gap in table["gap_to_random"]],
            "to full": [f"{gap:+.1f}" if pd.notna(gap) else "" for gap in table["gap_to_full"]],
        }
    )
    note = "Test accuracy in per cent, mean ± standard deviation over seeds. * best is chosen on the test set."
    return shown.to_markdown(index=False, disable_numparse=True) + f"\n\n{note}\n"


def tabulate_costs(benchmarks: dict[str, Sequence[str]], output: str) -> None:
    """CSV of stage, item, seconds, cpu_seconds, peak_memory_mb from Snakemake's benchmark files, by stage."""
    rows = []
    for stage, paths in benchmarks.items():
        for path in paths:
            measured = pd.read_csv(path, sep="\t", na_values="-").iloc[-1]
            rows.append(
                {
                    "stage": stage,
                    "item": "/".join(Path(path).with_suffix("").parts[-_depth(path, stage) :]),
                    "seconds": measured["s"],
                    "cpu_seconds": measured["cpu_time"],
                    "peak_memory_mb": measured["max_rss"],
                }
            )
    with whole_file(output) as scratch:
        pd.DataFrame(rows).to_csv(scratch, index=False, float_format="%.2f")


def _depth(path: str, stage: str) -> int:
    """How many parts of a benchmark's path stand behind the folder of its stage."""
    parts = Path(path).parts
    return len(parts) - parts.index(stage) - 1


def tabulate_models(qualities: Sequence[str], output: str) -> None:
    """CSV of model, kind, measure, value: how good each model is that was trained here."""
    rows = []
    for path in qualities:
        content = read_json(path)
        rows += content if isinstance(content, list) else [content]
    with whole_file(output) as scratch:
        pd.DataFrame(rows, columns=["model", "kind", "measure", "value"]).to_csv(
            scratch, index=False, float_format="%.4f"
        )
