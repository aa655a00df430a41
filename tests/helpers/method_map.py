"""What the map of docs/methods.md says of each method of configs/imagenet1k.yaml, from the config itself.

python -m tests.helpers.method_map    # prints the rows
"""

from collections.abc import Sequence
from contextlib import chdir

import yaml

from retort.config.load import load_config
from retort.data.classes import class_list
from retort.plan.plan import Plan
from retort.plan.published_methods import contradictions, published_methods
from retort.plan.reported import reported_rows
from tests.helpers.workspace import REPOSITORY

HEAD = ("backbone", "start", "sampler", "guide", "pool", "selection", "refinement, or patches", "published labels")
BACKBONES = {"sdxl": "SDXL", "sd": "SD 1.5"}


def plan_of(config: str) -> Plan:
    """Of a config in configs/."""
    with chdir(REPOSITORY):  # what a config extends is named from there
        checked = load_config(yaml.safe_load((REPOSITORY / "configs" / config).read_text()))
    return Plan(checked, class_list(checked.dataset))


def plan_of_imagenet1k() -> Plan:
    return plan_of("imagenet1k.yaml")


def cells(plan: Plan, method: str) -> tuple[str, ...]:
    """The cells of a method in the order of HEAD, "" where it has no such part."""
    made = plan.config.methods[method]
    return (
        *(_generated(plan, method) if made.generate else [""] * 5),
        _selected(plan, method),
        "refined" if made.refine else f"patches by {made.compose.score.kind}" if made.compose else "",
        ", ".join(_labels(plan, method)),
    )


def _generated(plan: Plan, method: str) -> Sequence[str]:
    generate = plan.config.methods[method].generate
    model, start = plan.config.models[generate.model], generate.start
    begun = start.kind if start.kind != "noised" else f"noised {_kind_of(plan, start)}"
    towards = "; ".join(f"{_kind_of(plan, guide)}, {guide.acts_on()}" for guide in generate.guides)
    backbone = BACKBONES.get(model.kind) or f"DiT, {model.timestep_embedding}"
    return backbone, begun, generate.sampler.kind, towards, str(generate.pool) if generate.pool > 1 else ""


def _selected(plan: Plan, method: str) -> str:
    select = plan.config.methods[method].select
    if select is None:
        return ""
    return _kind_of(plan, select) if select.kind == "discovery" else select.kind


def _kind_of(plan: Plan, part) -> str:
    """The kind of the discovery that a part names; its own where it names none."""
    discovery = part.name_in("discoveries")
    return plan.config.discoveries[discovery].kind if discovery else part.kind


def _labels(plan: Plan, method: str) -> list[str]:
    """Of the published numbers that may stand beside it, with all its settings as they are: hard, soft or both."""
    paper = plan.config.methods[method].paper or method
    rows = [
        row for row in reported_rows() if row["method"] == paper and row["protocol"] and paper in published_methods()
    ]
    fitting = [row for row in rows if not contradictions(plan, method, row["ipc"], row["data"])]
    return sorted({row["protocol"].split("-")[0] for row in fitting})


if __name__ == "__main__":
    PLAN = plan_of_imagenet1k()
    for NAME in PLAN.config.methods:
        print(f"| `{NAME}` | | {' | '.join(cells(PLAN, NAME))} |")
