"""Protocols of different labels side by side: hard ones, a teacher's fixed ones, and a teacher that is asked online."""

import pandas as pd

from retort.report.numbers import gap, spread

# Label regimes in the order in which they stand, and what they are.
REGIMES = {
    "hard": "hard labels",
    "static": "one soft label of each image",
    "region": "a stored soft label of each view",
    "online": "soft labels by a teacher that is asked while students train",
    "own": "the soft labels that the set brings",
}


def regime_of(protocol: dict) -> str:
    """A key of REGIMES, for a protocol as a plain table."""
    labels = protocol["labels"]
    return labels["kind"] if isinstance(labels, dict) else labels


def regimes(table: pd.DataFrame, scores: pd.DataFrame, protocols: dict[str, dict]) -> dict | None:
    """Protocols side by side, a row for each set and student that was measured with labels of two kinds at least.

    None without such a row. The scores stand in a row where one hard protocol gives them.
    """
    names = _in_order(protocols)
    soft = [name for name in names if regime_of(protocols[name]) != "hard"]
    rows = []
    for (method, ipc, student), group in table.groupby(["method", "ipc", "student"], sort=False):
        by_protocol = group.set_index("protocol")
        if len({regime_of(protocols[name]) for name in by_protocol.index}) < 2:
            continue
        cells = [_cell(by_protocol, protocol) for protocol in names]
        of_row = (scores["method"] == method) & (scores["ipc"] == ipc) & (scores["student"] == student)
        scored = scores[of_row & scores["protocol"].isin(soft)]
        known = {key: scored[key].dropna().unique() for key in ("lrs", "ars")}
        numbers = {key: f"{values[0]:.3f}" if len(values) == 1 else "" for key, values in known.items()}
        rows.append({"method": method, "ipc": ipc, "student": student, "cells": cells} | numbers)
    if not rows:
        return None
    scored = [key for key in ("lrs", "ars") if any(row[key] for row in rows)]
    labels = {name: REGIMES.get(regime := regime_of(protocols[name]), regime) for name in names}
    return {"protocols": names, "labels": labels, "rows": rows, "scores": scored}


def equal_protocols(protocols: dict[str, dict]) -> list[dict]:
    """Groups of protocols of two label regimes at least that train every set for as many updates of as many views.

    Each has its `protocols`, by regime, the `updates` and the `views` in all of them.
    """
    groups: dict[tuple, list[str]] = {}
    for name in _in_order(protocols):
        if updates := protocols[name]["views"].get("updates"):
            groups.setdefault((updates, protocols[name]["views"]["batch"]), []).append(name)
    return [
        {"protocols": names, "updates": updates, "views": updates * batch}
        for (updates, batch), names in groups.items()
        if len({regime_of(protocols[name]) for name in names}) > 1
    ]


def _in_order(protocols: dict[str, dict]) -> list[str]:
    """By their regimes; one that has no words stands last."""
    places = {regime: place for place, regime in enumerate(REGIMES)}
    return sorted(protocols, key=lambda name: places.get(regime_of(protocols[name]), len(places)))


def _cell(by_protocol: pd.DataFrame, protocol: str) -> dict:
    if protocol not in by_protocol.index:
        return {"text": "", "gap": ""}
    row = by_protocol.loc[protocol]
    return {"text": spread(row["top1_last_mean"], row["top1_last_std"]), "gap": gap(row["gap_to_random"])}
