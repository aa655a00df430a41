"""Costs as the page shows them."""

import pandas as pd

from retort.artifacts.costs import ALL
from retort.report.words import duration, size

EVALUATION = ("relabel_set", "train_one_student", "train_students")


def read_costs(path: str) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"shared_by": str}).fillna({"shared_by": "", "projected_to": ""})


def making_seconds(costs: pd.DataFrame) -> dict[str, float]:
    """Apportioned seconds of each method up to its written sets: without labels for students, and students."""
    made = costs[(costs["method"] != ALL) & ~costs["stage"].isin(EVALUATION)]
    return made.groupby("method", sort=False)["apportioned_seconds"].sum().to_dict()


def projection_target(costs: pd.DataFrame) -> str:
    """The size of the whole data set that costs are projected to; nothing where the run was of the whole one."""
    larger = (costs["projected_hours"] * 3600 > 1.001 * costs["seconds"]).any()
    return str(costs["projected_to"].iloc[0]) if larger else ""


def method_costs(costs: pd.DataFrame) -> list[dict]:
    """A row for each method, and one, apart, for all together; `numbers` are the seconds that cells are sorted by."""
    made, rows = making_seconds(costs), []
    for method, group in costs.groupby("method", sort=False):
        numbers = {
            "share": group["apportioned_seconds"].sum(),
            "made": sum(made.values()) if method == ALL else made.get(method, 0.0),
            "alone": group["seconds"].sum(),
            "gpu": group["gpu_seconds"].sum(skipna=False),
            "projected": 3600 * group["projected_hours"].sum(skipna=False),
        }
        amounts = {
            "memory": size(1e6 * group["peak_memory_mb"].max()),
            "bytes": size(group["bytes"].sum(skipna=False)),
        }
        rows.append(
            {"method": method, "apart": method == ALL, "numbers": numbers}
            | {name: duration(value) for name, value in numbers.items()}
            | amounts
        )
    return rows


def stage_costs(costs: pd.DataFrame, method: str) -> list[dict]:
    """A row for each stage of a method, or of all together."""
    group = costs[costs["method"] == method]
    total = group["seconds"].sum()
    return [
        {"stage": row["stage"], "jobs": row["jobs"], "seconds": duration(row["seconds"])}
        | {"apportioned": duration(row["apportioned_seconds"]), "shared_by": row["shared_by"]}
        | {"gpu": duration(row["gpu_seconds"]), "memory": size(1e6 * row["peak_memory_mb"])}
        | {"bytes": size(row["bytes"]), "percent": 100 * row["seconds"] / total if total else 0.0}
        | {"projected": duration(3600 * row["projected_hours"])}
        for row in group.to_dict("records")
    ]
