"""Every key of the typed config, and which of them a place in a config is."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from retort.base.grammar import Strict
from retort.config.schema import Config


class Key(NamedTuple):
    """A key, by the class of the schema that defines it: one for all that inherit it."""

    table: str
    name: str


def every_key(table: type[Strict] = Config) -> dict[Key, bool]:
    """Each key of a table and of all tables in it -> whether its value alone can be changed.

    Not so for what holds another table and nothing else, whose keys count, and for a word that is always the same.
    """
    found = {}
    for name, attribute in table.attributes().items():
        annotation = table.model_fields[attribute].annotation
        parts = set(_parts(annotation))
        words = {part for part in parts if not (isinstance(part, type) and issubclass(part, Strict | type(None)))}
        many = get_origin(annotation) in (dict, list)
        constant = get_origin(annotation) is Literal and len(get_args(annotation)) == 1
        found[Key(_owner(table, attribute).__name__, name)] = bool(words or many) and not constant
        for part in parts - words - {type(None)}:
            found |= every_key(part)
    return found


def key_at(config: Config, place: str) -> Key:
    """The key whose value stands at a place such as models/dit/train/lr; of an entry of a table by names, the table."""
    here, key = config, None
    for part in place.split("/"):
        if isinstance(here, BaseModel):
            attribute = type(here).attributes()[part]
            key = Key(_owner(type(here), attribute).__name__, part)
            here = getattr(here, attribute)
        else:
            here = here[int(part) if isinstance(here, list) else part]
    return key


def _owner(table: type[Strict], attribute: str) -> type:
    """The class, of those that a table inherits from, that says what this attribute is."""
    return next(c for c in table.__mro__ if attribute in vars(c).get("__annotations__", {}))


def _parts(annotation: Any) -> Iterator[Any]:
    """What an annotation is made of: classes, and the words of a Literal."""
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        if get_origin(annotation) is Literal:
            yield argument
        elif argument is not Any and (isinstance(argument, type) or get_args(argument)):  # a part from elsewhere
            yield from _parts(argument)
