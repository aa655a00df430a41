"""Settings and quantities in words."""

from typing import Any

SAMPLERS = {"ddim": "DDIM", "ddpm": "ancestral DDPM", "dpm++": "DPM-Solver++"}
SIZES = ("B", "kB", "MB", "GB", "TB")


def method_line(settings: dict, steps: int | None) -> str:
    """What a method does, in one sentence, from its part of the config and its number of sampling steps."""
    if "compose" in settings:
        return _sentence(_composed(settings["compose"]))
    if "generate" not in settings:
        return _sentence(_selected(settings["select"]))
    parts = [_generated(settings["generate"], steps)]
    if "select" in settings:
        parts.append(f"of {settings['generate']['pool']} samples for each image {_chosen(settings['select'])}")
    if refine := settings.get("refine"):
        given = "told no class" if refine["condition"] == "unconditional" else "told the image's class"
        parts.append(
            f"then moves each latent, in {refine['iterations']} steps, to where the model, {given}, denoises it best"
        )
    return _sentence("; ".join(parts))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _generated(generate: dict, steps: int) -> str:
    start, guide = generate["start"], generate.get("guide")
    text = f"samples from {generate['model']} ({SAMPLERS[generate['sampler']]}, {steps} steps, "
    text += f"CFG {generate['guidance']:g})"
    if start == "noise":
        text += ", starting from noise"
    elif start["search"] == "groups":
        text += f", starting from the best of {start['groups']:,} random groups by the class's inverted statistics"
    else:
        text += ", starting from one group that is made to match the class's inverted statistics"
    if guide:
        text += f", drawn towards real representatives ({guide['discovery']}) with strength {guide['strength']:g}"
    return text


def _chosen(select: dict) -> str:
    if "coverage" in select:
        return f"keeps those that cover the class ({select['coverage']})"
    return f"keeps those that {select['teacher']} recognises, the {select['keep']} ones first"


def _selected(select: str | dict) -> str:
    if select == "random":
        return "real images, drawn at random: the lower line"
    if select == "all":
        return "the whole training set: the upper line"
    if "discovery" in select:
        return f"the real images that stand for the clusters of {select['discovery']}"
    if "coverage" in select:
        kind = {"herding": "herding", "kmeans": "nearest to k-means centres"}[select["coverage"]]
        space = f"latents of {select['encoder']}" if "encoder" in select else f"features of {select['teacher']}"
        return f"real images that cover the class ({kind}) in {space}"
    return f"the real images that {select['teacher']} recognises, the {select['keep']} ones first"


def _composed(compose: dict) -> str:
    score, rank, grid = compose["score"], compose["rank"], compose["grid"]
    if "teacher" in score:
        patches = f"the random crops that {score['teacher']} finds easiest"
    else:
        patches = f"the windows that are most typical of the class ({score['typicality']})"
    ranked = "" if rank == "score" else f", one of each of {rank['clusters']} clusters in turn"
    return f"real patches, {grid} x {grid} to an image: {patches}{ranked}"


def protocol_rows(protocols: dict[str, dict]) -> list[tuple[str, list[str]]]:
    """Every constant of the protocols, as rows of a table with a column for each."""
    flat = [_flat(protocol) for protocol in protocols.values()]
    names = list(dict.fromkeys(name for table in flat for name in table))
    return [(name, [plain(table[name]) if name in table else "–" for table in flat]) for name in names]


def _flat(protocol: dict) -> dict[str, Any]:
    labels = protocol["labels"]
    soft = labels != "hard"
    found = {"id": protocol["id"], "labels": labels["kind"] if soft else "hard"}
    if soft:
        found |= {"teacher": labels["teacher"], "temperature": protocol["temperature"]}
        found |= {f"labels: {key}": value for key, value in labels.items() if key not in ("kind", "teacher")}
    found |= protocol["views"]
    found |= {("optimiser" if key == "kind" else key): value for key, value in protocol["optimizer"].items()}
    found |= {"tests during training": protocol["evaluations"], "precision": protocol.get("precision", "float32")}
    parts, twice = protocol.get("accumulate", 1), protocol.get("forward_twice", False)
    found |= {"parts of a batch": parts} if parts > 1 else {}
    return found | ({"forward passes of a batch": 2} if twice else {})


def plain(value: Any) -> str:
    """A setting as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"up to {bound} per class: {plain(number)}" for bound, number in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(map(plain, value))
    return str(value)


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
