"""What may be passed on of a record: everything but where things lie on the machine that made it."""

import re
from typing import Any

# An absolute path, one of a home or of a variable, of Windows, or as an address.
_OF_A_MACHINE = re.compile(r"/|~|\$|[A-Za-z]:[\\/]|\\\\|file:")


def public(value: Any) -> Any:
    """The same tables, lists and texts, with of each absolute path its last part; of keys the last two.

    Relative paths, hub ids and addresses of the web stay as they are.
    """
    if isinstance(value, dict):
        return {_last_parts(key, 2): public(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [public(inner) for inner in value]
    return _last_parts(value, 1)


def _last_parts(text: Any, count: int) -> Any:
    if not (isinstance(text, str) and _OF_A_MACHINE.match(text)):
        return text
    return "/".join([part for part in re.split(r"[\\/]+", text) if part][-count:])
