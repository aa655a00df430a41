"""The sweeps of a config of which something is measured, as their pictures need them."""

from retort.config.sweeps import members
from retort.plan.plan import Plan


def wanted_sweeps(plan: Plan) -> dict[str, dict]:
    """Sweep -> the varied `method`, the `key`, and its `members` that runs ask for, in the order of the values.

    A member has its method's name, its value as `shown`, and as a `number` where it is one (None elsewhere).
    """
    found = {}
    for name, sweep in plan.config.sweeps.items():
        wanted = [
            {"method": m.name, "shown": m.shown, "number": _number(m.value)}
            for m in members(name, sweep.values)
            if m.name in plan.wanted_methods
        ]
        if wanted:
            found[name] = {"method": sweep.method, "key": sweep.key, "members": wanted}
    return found


def _number(value) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
