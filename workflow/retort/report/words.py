"""Settings and quantities in words."""

from typing import Any

from retort.base.words import counted
from retort.parts.part import Part
from retort.parts.resolve import part_of
from retort.report.plain import in_words_or_plain, plain

SIZES = ("B", "kB", "MB", "GB", "TB")


def method_line(settings: dict, steps: int | None) -> str:
    """What a method does, in one sentence, from its part of the config and its number of sampling steps."""
    if "images" in settings:
        return _sentence(f"a set that was made elsewhere{_from(settings.get('source'))}")
    if "compose" in settings:
        return _sentence(_said("compositions", "composes", settings["compose"]))
    if "generate" not in settings:
        if "select" in settings:
            return _sentence(_said("selections", "selects", settings["select"]))
        return _sentence(f"settings: {plain(settings)}")
    generate = settings["generate"]
    parts = [in_words_or_plain(lambda found: _generated(found, steps), "samples", generate)]
    if "select" in settings:
        chosen = in_words_or_plain(_chosen, "chooses", settings["select"])
        parts.append(f"of {counted(generate.get('pool', 1), 'sample')} for each image {chosen}")
    if refine := settings.get("refine"):
        parts.append(f"then {_said('refinements', 'refines', refine)}")
    return _sentence("; ".join(parts))


def _said(family: str, does: str, settings: Any) -> str:
    """What a part says of itself, by its settings; by the settings alone where they are no part's."""
    return in_words_or_plain(lambda found: part_of(family, found).in_words(), does, settings)


def _chosen(select: Any) -> str:
    return part_of("selections", select).pool_in_words()


def _from(source: str | None) -> str:
    return f" (from {source})" if source else ""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def guides_of(generate: dict) -> list[Part]:
    """The guides of a method, from its part of the config."""
    found = generate.get("guide") or []
    return [part_of("guides", guide) for guide in (found if isinstance(found, list) else [found])]


def _generated(generate: dict, steps: int | None) -> str:
    length = "" if steps is None else f"{counted(steps, 'step')}, "
    text = f"samples from {generate['model']} ({part_of('samplers', generate['sampler']).in_words()}, {length}"
    text += f"CFG {generate['guidance']:g}), {part_of('starts', generate['start']).in_words()}"
    return ", ".join([text, *(guide.in_words() for guide in guides_of(generate))])


# What a protocol leaves to the code, in its words; a test compares them with what the code does.
LOSSES = {
    "hard": "cross-entropy; of mixed images, of both classes by their areas",
    "soft": "KL(teacher || student) at the temperature, without its square",
    "own": "KL(the set's label || student) at the temperature, without its square",
}
RATES = {
    "half-cosine": "along half a cosine's fall, to one half",
    "cosine": "along a cosine's fall, to zero",
    "milestones": "x 0.2 at 2/3 and again at 5/6",
    "constant": "the same throughout",
}
UNSAID = {"adamw": {"betas": "0.9, 0.999", "epsilon": "1e-08"}, "sgd": {}}
UNREAD = {"adamw": ("momentum",)}
TESTS = "tests during training"
TESTING = {"test_crop": "test images: share of the side kept", "test_resize": "test images: resized by"}


def protocol_rows(protocols: dict[str, dict], dataset: dict | None = None) -> list[tuple[str, list[str]]]:
    """Every constant of the protocols, as rows of a table with a column for each.

    `dataset`: the data set's part of the config, which says how test images are resized and cropped.
    """
    testing = {head: (dataset or {})[key] for key, head in TESTING.items() if key in (dataset or {})}
    flat = [_flat(protocol) | testing for protocol in protocols.values()]
    names = list(dict.fromkeys(name for table in flat for name in table))
    assumed = [_assumed(protocol) for protocol in protocols.values()]

    def cell(name: str, table: dict, of_paper: set[str]) -> str:
        return (plain(table[name]) if name in table else "–") + (" (assumed)" if name in of_paper else "")

    return [(name, [cell(name, *column) for column in zip(flat, assumed, strict=True)]) for name in names]


def _assumed(protocol: dict) -> set[str]:
    """The names, in such a table, of the constants that its paper does not state."""
    keys = (key.rpartition(".")[2] for key in protocol.get("assumed", ()))
    return {TESTS if key == "evaluations" else key for key in keys}


def _flat(protocol: dict) -> dict[str, Any]:
    labels = protocol["labels"]
    taught = isinstance(labels, dict)
    found = {"id": protocol["id"], "labels": labels["kind"] if taught else labels}
    found |= {"loss": LOSSES.get("soft" if taught else labels, "–")}
    if labels == "own":
        found |= {"temperature": protocol["temperature"]}
    if taught:
        found |= {"teacher": labels.get("teacher", "–"), "temperature": protocol["temperature"]}
        found |= {f"labels: {key}": value for key, value in labels.items() if key not in ("kind", "teacher")}
    found |= protocol["views"]
    found |= _optimiser(protocol["optimizer"])
    found |= {TESTS: protocol["evaluations"], "precision": protocol.get("precision", "float32")}
    parts, twice = protocol.get("accumulate", 1), protocol.get("forward_twice", False)
    found |= {"parts of a batch": parts} if parts > 1 else {}
    return found | ({"forward passes of a batch": 2} if twice else {})


def _optimiser(settings: dict) -> dict[str, Any]:
    """What it reads of its settings, with what it does by the schedule and the constants that are not set."""
    kind = settings["kind"]
    read = {key: value for key, value in settings.items() if key != "kind" and key not in UNREAD.get(kind, ())}
    rate = {"learning rate over the training": RATES[name]} if (name := settings.get("schedule")) in RATES else {}
    return {"optimiser": kind} | read | rate | UNSAID.get(kind, {})


def duration(seconds: float) -> str:
    """Seconds as people say them; nothing for what was not measured."""
    if seconds != seconds:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds else "0"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def size(count: float) -> str:
    """Bytes as people say them; nothing for what was not measured."""
    if count != count:
        return ""
    unit = 0
    while count >= 1000 and unit < len(SIZES) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.3g} {SIZES[unit]}" if unit else f"{count:.0f} B"


def indented(table: Any, depth: int = 0) -> str:
    """Settings as indented lines, as in the config."""
    lines = []
    for key, value in table.items():
        if isinstance(value, dict) and value:
            lines += [f"{'  ' * depth}{key}:", indented(value, depth + 1)]
        else:
            lines.append(f"{'  ' * depth}{key}: {'{}' if value == {} else _written(value)}")
    return "\n".join(lines)


def _written(value: Any) -> str:
    return f"[{', '.join(map(_written, value))}]" if isinstance(value, list) else str(value)
