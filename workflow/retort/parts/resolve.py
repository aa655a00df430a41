"""Parts by name: ours from the files of this package, others from where a user says (see `retort.parts.foreign`).

Modules are imported by name, when a config is read or a job runs a part, so no stage reaches a part that it does not
run.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    PlainValidator,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from retort.base.errors import RetortError
from retort.base.hints import did_you_mean, nearest
from retort.parts import foreign
from retort.parts.part import Part

FOREIGN = "<foreign>"
FAMILIES = (
    *("discoveries", "starts", "samplers", "guides", "selections", "coverages", "refinements"),
    *("compositions", "scores", "rankings", "difficulties"),
)


@cache
def ours(family: str) -> dict[str, type[Part]]:
    """Kind -> class of the parts of a family that come with the library."""
    package = import_module(f"retort.parts.{family}")
    modules = [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
    return {part.kind: part for module in modules for part in foreign.parts_in(module)}


def part_class(family: str, kind: str) -> type[Part]:
    """The class of a part. Raises RetortError where no part of this family has this name."""
    return ours(family).get(kind) or foreign.part_class(family, kind, list(ours(family)))


def refuse_taken_names() -> None:
    """Raises RetortError where a file of a user holds a part with the name of one of ours, which would be taken."""
    for family in FAMILIES:
        for kind, file in ((kind, foreign.file_of(kind)) for kind in ours(family)):
            if file and any(cls.family == family for cls in foreign.parts_of(kind)):
                raise RetortError(f"parts: {file}: one of Retort's own {family} is called {kind!r}; rename the file")


def part_of(family: str, found: Any) -> Part:
    """A part from what a config, the record of a set or the parameter of a job says of it.

    Raises RetortError for what names no part, and pydantic's ValidationError for keys that it does not have.
    """
    if isinstance(found, Part):
        return found
    if (tag := kind_of(family, found)) is None:
        words = [kind for kind, cls in ours(family).items() if cls.is_word()]
        hint = did_you_mean(found, [*words, *foreign.names()]) if isinstance(found, str) else ""
        allowed = ", ".join([*words, "or a table of its keys"]) if words else "a table of its keys"
        raise RetortError(f"{found!r} is none of the {family}{hint} (allowed: {allowed})")
    kind = tag.strip("<>") if tag != FOREIGN else found if isinstance(found, str) else found["kind"]
    cls = part_class(family, kind)
    return cls.model_validate(cls.without_kind(found))


def kind_of(family: str, found: Any) -> str | None:
    """The tag of what a config says: WORD or <KIND> of a part of ours, <foreign>, or None for what is no part."""
    known = ours(family)
    if isinstance(found, Part):
        return f"<{found.kind}>" if found.kind in known else FOREIGN
    if isinstance(found, str):
        return found if found in known and known[found].is_word() else FOREIGN if _meant(found, known) else None
    if not isinstance(found, Mapping) or not isinstance(found.get("kind", ""), str):
        return None
    if "kind" in found:
        return f"<{found['kind']}>" if found["kind"] in known else FOREIGN
    return next((f"<{kind}>" for kind in _told(known, set(map(str, found)))), None)


def _meant(word: str, known: dict[str, type[Part]]) -> bool:
    """Whether a word that is none of ours names a part that lies elsewhere, well or badly spelt."""
    return foreign.has(word) or (not nearest(word, known) and nearest(word, foreign.names()) is not None)


def _told(known: dict[str, type[Part]], keys: set[str]) -> list[str]:
    """The kinds that a table without the key `kind` may be, the one that knows most of its keys first."""
    by_key = {part.told_by: kind for kind, part in known.items() if part.told_by}
    told = {by_key[meant] for key in keys if (meant := nearest(key, by_key))}
    by_keys = sorted(told, key=lambda kind: (-len(keys & set(known[kind].attributes())), kind))
    return [*by_keys, *(kind for kind, part in known.items() if part.assumed)]


def listed(family: str) -> str:
    """The kinds of ours that a config may give as a word, in words: "a, b or c"."""
    *first, last = (kind for kind, cls in ours(family).items() if cls.is_word())
    return f"{', '.join(first)} or {last}" if first else last


def summary(cls: type[Part]) -> str:
    """What a part does, in the first paragraph that its class says of itself."""
    return inspect.cleandoc(cls.__doc__).split("\n\n")[0].replace("\n", " ")


def any_of(family: str, described: str) -> Any:
    """The annotation of a key of the config that takes any part of a family; described: its forms, for an error."""
    members: list[Any] = []
    for kind, cls in ours(family).items():
        if cls.is_word():
            word = {"const": kind, "type": "string", "description": summary(cls)}
            made = AfterValidator(lambda _, cls=cls: cls())
            members.append(Annotated[Literal[kind], made, WithJsonSchema(word), Tag(kind)])
        members.append(Annotated[cls, BeforeValidator(cls.without_kind), Tag(f"<{kind}>")])
    kind = {"type": "string", "not": {"enum": list(ours(family))}}
    schema = {
        "type": "object",
        "properties": {"kind": kind | {"description": "This names a part that lies outside Retort's own files."}},
        "required": ["kind"],
    }
    other = PlainValidator(lambda found: _foreign(family, found))
    members.append(Annotated[Any, other, WithJsonSchema(schema), Tag(FOREIGN)])
    said = f"must be {described}"
    tell = Discriminator(
        lambda found: kind_of(family, found), custom_error_type="word_or_table", custom_error_message=said
    )
    return Annotated[Union[tuple(members)], tell]  # noqa: UP007


def _foreign(family: str, found: Any) -> Part:
    """A part that is not ours, from a word or a table of the config; `retort.config.mistakes` tells its mistakes."""
    try:
        return part_of(family, found)
    except RetortError as error:
        raise PydanticCustomError("part", "{problem}", {"problem": str(error)}) from None
    except ValidationError as error:
        inner = error.errors(include_url=False)
        raise PydanticCustomError("keys_of_part", "its keys have mistakes", {"inner": inner}) from None
