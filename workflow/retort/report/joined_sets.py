"""Students of several sets of one method as students of that method."""

from collections.abc import Iterable, Mapping


def joined(records: Iterable[dict], sets: Mapping[str, dict]) -> list[dict]:
    """The records with `set_seed`, and those of another set under the name of its method.

    sets: method that is another set of one -> `method` and `set_seed` (see `Plan.other_sets`).
    """
    return [{"set_seed": 0} | record | sets.get(record["method"], {}) for record in records]
