"""What a report says of a run before its results: the parts of the config that the wanted methods use."""

from retort.config.presets import assumed
from retort.config.schema.evaluation import Protocol
from retort.plan.jobs import jobs_behind
from retort.plan.papers import papers_behind
from retort.plan.plan import Plan
from retort.plan.sweeps import wanted_sweeps

DUMP = {"mode": "json", "exclude_none": True, "by_alias": True}


def used_parts(plan: Plan) -> dict:
    """Data set, seed, models, teachers, methods (stages, papers, names they use) and protocols, as plain tables."""
    config = plan.config
    models = [*plan.used_encoders(), *plan.used_models(), *plan.fetched_models()]
    used = {row["protocol"] for row in plan.wanted("protocol")}
    return {
        "dataset": plan.dataset.model_dump(**DUMP, exclude={"watch"}) | {"class_count": len(plan.classes)},
        "seed": plan.seed,
        "models": {name: config.models[name].model_dump(**DUMP, exclude={"run"}) for name in dict.fromkeys(models)},
        "teachers": {name: config.teachers[name].model_dump(**DUMP) for name in plan.used_teachers()},
        "methods": {
            name: {
                "settings": config.methods[name].model_dump(**DUMP),
                "stages": list(jobs_behind(plan.only(name))),
                "discoveries": plan.discoveries_of(name),
                "steps": plan.sampling_of(name)["steps"] if plan.generate_of(name) else None,
                "shared": _shared(plan, name),
                "papers": papers_behind(
                    config.methods[name].model_dump(**DUMP), _model(plan, name), _discovery(plan, name)
                ),
            }
            for name in plan.wanted_methods
            if name not in plan.other_sets
        },
        "other_sets": plan.other_sets,
        "protocols": {
            name: {"id": plan.protocol_id(name)} | _protocol(protocol)
            for name, protocol in config.protocols.items()
            if name in used
        },
        "sweeps": wanted_sweeps(plan),
        "baselines": plan.wanted_that_select("random"),
        "upper_bounds": plan.wanted_that_select("all"),
    }


def _protocol(protocol: Protocol) -> dict:
    """Its constants, and which of them are assumed in the preset that it is made of."""
    table = protocol.model_dump(**DUMP, exclude={"preset"})
    return table | ({"assumed": found} if (found := assumed(protocol.preset, table)) else {})


def _shared(plan: Plan, method: str) -> dict:
    """The inversion, discovery, typicality and dynamics that a method names, with their settings."""
    record = plan.provenance_of(method)
    named = ("inversions", "discoveries", "typicalities", "dynamics")
    return {part: record[part] for part in named if record.get(part)}


def _model(plan: Plan, method: str) -> dict | None:
    """The settings of the model that a method samples from."""
    generate = plan.generate_of(method)
    return plan.config.models[generate.model].model_dump(**DUMP) if generate else None


def _discovery(plan: Plan, method: str) -> dict | None:
    """The settings of the first discovery that a method names."""
    return next((plan.config.discoveries[name].model_dump(**DUMP) for name in plan.discoveries_of(method)), None)
