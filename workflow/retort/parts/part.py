"""What every part of a method says of itself; whoever needs to know asks the part.

A part is a class with its keys, and methods for what its family does (see `retort.parts.samplers` and its neighbours,
which say what each family asks). Nothing heavy is imported before a part works, so that a config is read and planned
quickly: what it computes with is imported inside its methods.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import getfile
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args

from pydantic import GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer

from retort.base.errors import place_of
from retort.base.grammar import Name, Strict


@dataclass(frozen=True)
class Names:
    """That a key names something else of the config: an entry of `table`, called `what` where it is not found."""

    table: str
    what: str


TeacherName = Annotated[Name, Names("teachers", "teacher")]
EncoderName = Annotated[Name, Names("encoders", "vae model")]
InversionName = Annotated[Name, Names("inversions", "inversion")]
DiscoveryName = Annotated[Name, Names("discoveries", "discovery")]
TypicalityName = Annotated[Name, Names("typicalities", "typicality")]


class Part(Strict):
    """A part of a method: its fields are its keys in the config, each with a description.

    family: the folder of `retort.parts` that it belongs to. kind: its name, which a config gives as a word or as the
    key `kind` of a table; it is that of its file, unless the class says another. told_by: a key that tells a table to
    be of this kind without the key `kind`. assumed: whether a table that says nothing else is of this kind.
    """

    family: ClassVar[str]
    kind: ClassVar[str] = ""
    told_by: ClassVar[str | None] = None
    assumed: ClassVar[bool] = False
    stage: ClassVar[str | None] = None
    """The stage of the workflow that runs this part for a method alone; None where others run it."""
    seeded: ClassVar[bool] = True
    """Whether it draws anything at random, so that another seed gives another set; not so of what only holds parts."""
    examples: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    """Keys with which `retort.parts.check` tries the part, beside names of teachers and the like, which it gives."""

    def __init_subclass__(cls, **given: Any):
        super().__init_subclass__(**given)
        if not cls.__dict__.get("kind"):
            cls.kind = cls.__module__.rpartition(".")[2].replace("_", "-")

    # ------------------------------------------------------------ what a config may say

    @classmethod
    def is_word(cls) -> bool:
        """Whether a config may give it as a word, because its name alone says everything."""
        required = any(field.is_required() for field in cls.model_fields.values())
        return not (required or cls.told_by or cls.assumed)

    @classmethod
    def without_kind(cls, found: Any) -> Any:
        """What a config says, without the name of the kind."""
        if found == cls.kind:
            return {}
        return {k: v for k, v in found.items() if k != "kind"} if isinstance(found, Mapping) else found

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict:
        """Its keys, and `kind`, for editors."""
        found = handler.resolve_ref_schema(handler(core))
        if not cls.told_by and not cls.assumed:
            kind = {"const": cls.kind, "type": "string", "description": "This key names the part that is used."}
            found["properties"] = {"kind": kind} | found.get("properties", {})
            found["required"] = ["kind", *found.get("required", [])]
        return found

    @model_serializer(mode="wrap")
    def _as_config(self, handler: SerializerFunctionWrapHandler) -> Any:
        """As a config says it: a word where its keys have their defaults, or a table."""
        table = handler(self)
        if self.told_by or self.assumed:
            return table
        return self.kind if self.is_word() and self == type(self)() else {"kind": self.kind} | table

    def unread(self) -> set[str]:
        """Keys whose values change nothing, by the values of others."""
        return set()

    @classmethod
    def file_outside(cls) -> Path | None:
        """The file of a part that is none of Retort's own."""
        return None if cls.__module__.startswith("retort.") else Path(getfile(cls))

    def named_with_file(self) -> str:
        """Its name, for an error in what it does, with its file where that is none of Retort's."""
        return f"{self.kind} ({file})" if (file := self.file_outside()) else self.kind

    def blamed_for(self, error: BaseException) -> str:
        """What an error in its work says, behind the file and the line of a part that is none of Retort's."""
        where = (file := self.file_outside()) and place_of(error, [file.parent])
        return f"{where}: {error}" if where else str(error)

    # ------------------------------------------------------------ what it goes with

    def clashes(self, method: Any) -> Iterator[str]:
        """Why it does not go with the rest of a method: a line for each reason, with what would be right."""
        yield from ()

    def misfits(self, place: str, method: Any, config: Any) -> Iterator[str]:
        """The same of things that the config defines elsewhere, where their names are known; a line begins with the
        place of the table that holds the part, such as methods.d3hr.generate."""
        yield from ()

    def named(self) -> Iterator[tuple[str, Names, str]]:
        """(key, what it names, the name) of every key that names something else of the config."""
        for key, names in _naming_keys(type(self)).items():
            if getattr(self, key) is not None:
                yield key, names, getattr(self, key)

    def all_named(self, table: str) -> list[str]:
        """The names in a table of the config that it, or a part of it, points at."""
        own = [name for _, names, name in self.named() if names.table == table]
        return own + [name for _, _, part in parts_in(self) for name in part.all_named(table)]

    def name_in(self, table: str) -> str | None:
        """The first of these."""
        return next(iter(self.all_named(table)), None)

    def space(self) -> dict[str, str]:
        """In what it sees images: {"encoder": NAME}, {"teacher": NAME}, or empty where it looks at none."""
        named = {"encoder": self.name_in("encoders"), "teacher": self.name_in("teachers")}
        return {key: name for key, name in named.items() if name}

    # ------------------------------------------------------------ in words

    def in_words(self) -> str:
        """What it does, as a part of the one sentence that the report has of a method."""
        keys = ", ".join(f"{key} {value}" for key, value in self)
        return f"{self.kind} ({keys})" if keys else self.kind

    def in_full(self, record: Mapping[str, Any]) -> str:
        """The same in sentences of their own, for the card of a set; record: its provenance."""
        said = self.in_words()
        return f"{said[0].upper()}{said[1:]}."


def parts_in(table: Strict, place: str = "") -> Iterator[tuple[str, str, Part]]:
    """(place of the table that holds it, its key there, the part) of each part in a table, and of their own.

    Of a list of parts the key of each has its number, as in guide[1].
    """
    for key, held in table:
        listed = [(f"{key}[{i}]", part) for i, part in enumerate(held)] if isinstance(held, list) else [(key, held)]
        for name, part in listed:
            if isinstance(part, Part):
                yield place, name, part
                yield from parts_in(part, f"{place}.{name}".lstrip("."))


@cache
def _naming_keys(kind: type[Part]) -> dict[str, Names]:
    """The keys of a kind of part that name something else of the config, with what they name."""
    noted = {
        key: [note for note in _noted(field) if isinstance(note, Names)] for key, field in kind.model_fields.items()
    }
    return {key: names[0] for key, names in noted.items() if names}


def _noted(field: Any) -> Iterator[Any]:
    """The notes of a field's annotation, also where it may be None."""
    yield from field.metadata
    for kind in get_args(field.annotation):
        yield from getattr(kind, "__metadata__", ())
