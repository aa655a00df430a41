"""Whether a method of the config is the one whose numbers a paper reports.

`paper` is what the config says; published_methods.yaml holds what must be so for it to be true, as far as settings
show it.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from retort.plan.compositions import Compositions

ABSENT = object()
BEHIND = ("model", "encoder", "inversion", "guide_discovery", "start_discovery")


@cache
def published_methods() -> dict[str, list[dict]]:
    """Papers by the name that a method's `paper` has: items of wanted settings, each with an optional `only`."""
    return yaml.safe_load(Path(__file__).with_name("published_methods.yaml").read_text())


def contradictions(plan: Compositions, method: str, ipc: str, data: str | None) -> list[str]:
    """Why the paper's numbers on the data set `data` do not belong to this method's set of `ipc` images per class.

    One sentence for each setting that is not the paper's; empty where none is.
    """
    paper = plan.config.methods[method].paper or method
    if paper not in published_methods():
        return [f"no method of this workflow is known to be that of {paper!r}"]
    made_of = _made_of(plan, method)
    cell, found = {"ipc": ipc, "data": data}, []
    for item in published_methods()[paper]:
        if all(cell[key] in among for key, among in item.get("only", {}).items()):
            wanted = {part: settings for part, settings in item.items() if part != "only"}
            found += _differences(made_of, wanted, "")
    return found


def _made_of(plan: Compositions, method: str) -> dict:
    """A method's settings, with those of the model, the encoder, the inversion and the discovery of its guide or start
    behind it; None where it has none."""
    config, start = plan.config, plan.start_of(method)
    made_of = config.methods[method].model_dump(mode="json") | dict.fromkeys(BEHIND)
    if generate := plan.generate_of(method):
        made_of["generate"]["steps"] = plan.sampling_of(method)["steps"]
        made_of["model"] = config.models[generate.model].model_dump(mode="json")
        encoder = config.models[plan.encoder_of(generate.model)]
        side = encoder.resolution or plan.dataset.resolution
        made_of["encoder"] = encoder.model_dump(mode="json") | {"resolution": side}
        for part, found in (*(("guide", guide) for guide in generate.guides), ("start", generate.start)):
            if name := found.name_in("discoveries"):
                made_of[f"{part}_discovery"] = config.discoveries[name].model_dump(mode="json")
    if start:
        made_of["inversion"] = config.inversions[start.inversion].model_dump(mode="json")
    return made_of


def _differences(found: Any, wanted: Any, place: str) -> list[str]:
    if isinstance(wanted, dict) and "at_least" in wanted:
        fits = not isinstance(found, dict) and found is not ABSENT and found >= wanted["at_least"]
        return [] if fits else [_said(place, found, f"at least {wanted['at_least']}")]
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return [_said(place, found, "a table")]
        return [
            difference
            for key, value in wanted.items()
            for difference in _differences(found.get(key, ABSENT), value, f"{place}.{key}" if place else key)
        ]
    allowed = wanted if isinstance(wanted, list) else [wanted]
    return [] if found in allowed else [_said(place, found, " or ".join(map(str, allowed)))]


def _said(place: str, found: Any, wanted: str) -> str:
    return f"{place} is {'not there' if found is ABSENT or found is None else found}; the paper's is {wanted}"
