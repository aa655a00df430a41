"""Why Snakemake would make something again, in words, with the settings that changed."""

import ast
import re
from typing import Any

FOLLOWS = "what it reads will be made again"
FINGERPRINT = re.compile(r"'?[0-9a-f]{12}'?")  # of a rule's code, among its parameters
MOST = 3  # settings that are named


def reasons(reason) -> tuple[str, ...]:
    """Snakemake's, but of changed parameters whether they are the settings of a stage or its code.

    Forced in the view of a run are the jobs whose outputs Snakemake has marked as incomplete.
    """
    ours = {"input files updated by another job": FOLLOWS, "forced": "Snakemake did not see it end"}
    found = [ours.get(name, name) for name in reason.get_names() if not name.startswith("params have changed")]
    if reason.params_changed:
        values = map(str, reason.params_changed.only_old | reason.params_changed.only_new)
        changed = {"code" if FINGERPRINT.fullmatch(value) else "settings" for value in values}
        found = [f"its {what} changed" for what in sorted(changed)] + found
    return tuple(found) or ("others need it again",)


def changed_settings(reason) -> str:
    """The settings that changed, each before and now: "guidance 4.0 -> 2.0"; empty where none did."""
    if not reason.params_changed:
        return ""
    before, now = (_flat(values) for values in (reason.params_changed.only_old, reason.params_changed.only_new))
    keys = [key for key in dict.fromkeys([*before, *now]) if before.get(key) != now.get(key)]
    said = [f"{key} {_all(before.get(key))} -> {_all(now.get(key))}".strip() for key in keys]
    more = f" and {len(said) - MOST} more" if len(said) > MOST else ""
    return ", ".join(said[:MOST]) + more


def _all(values: list[str] | None) -> str:
    return " and ".join(values) if values else "none"


def _flat(values: set) -> dict[str, list[str]]:
    """The values of each setting by its name, which several tables may have; one without a name stands under ""."""
    found: dict[str, list[str]] = {}
    for value in sorted(map(str, values)):
        if not FINGERPRINT.fullmatch(value):
            for name, text in _settings("", _read(value)):
                found.setdefault(name, []).append(text)
    return {name: sorted(texts) for name, texts in found.items()}


def _read(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _settings(name: str, value: Any):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _settings(str(key), inner)
    else:
        text = str(value)
        yield name, text if len(text) <= 40 else f"{text[:37]}..."
