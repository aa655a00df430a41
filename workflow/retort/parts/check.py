"""Put parts to the contracts of their families: those of a folder, of installed packages, or of Retort itself.

    PYTHONPATH=workflow .venv/bin/python -m retort.parts.check my_parts

It prints a line for each promise, ok or FAILED with what was found, and ends with status 1 if one was broken. Each part
is tried with the keys in its `examples`. It runs the code of the parts.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from retort.base.errors import RetortError
from retort.base.words import counted
from retort.parts import foreign
from retort.parts.part import Names, Part
from retort.parts.resolve import FAMILIES, ours


class Line(NamedTuple):
    """What became of a promise of a part."""

    part: str
    promise: str
    ok: bool
    found: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.ok else 'FAILED'} {self.part}: {self.promise}: {self.found}"


def check_part(cls: type[Part]) -> Iterator[Line]:
    """A line for each promise of a part, with each of its examples."""
    for keys in cls.examples:
        name = f"{cls.family}/{cls.kind}{_said(keys)}"
        try:
            part = tried(cls, keys)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors())
            yield Line(name, "its examples are what it may be given", False, f"{wrong}; give such keys in `examples`")
            continue
        yield from _promises(name, part)


def tried(cls: type[Part], keys: Mapping[str, Any]) -> Part:
    """A part with these keys, and with some name for each teacher and the like that it must name."""
    required = (key for key, field in cls.model_fields.items() if field.is_required() and _names_something(field))
    return cls.model_validate(dict.fromkeys(required, "any") | dict(keys))


def _names_something(field: Any) -> bool:
    return any(isinstance(note, Names) for note in field.metadata)


def _said(keys: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{key} {value}' for key, value in keys.items())})" if keys else ""


def _promises(name: str, part: Part) -> Iterator[Line]:
    from retort.parts.contracts import Broken, contracts_of

    for promise, check in contracts_of(part):
        try:
            yield Line(name, promise, True, check(part))
        except Broken as broken:
            yield Line(name, promise, False, str(broken))
        except Exception as error:
            where = foreign.blamed(error)
            yield Line(name, promise, False, f"{f'{where}: ' if where else ''}{type(error).__name__}: {error}")


# ---------------------------------------------------------------- which parts


def check_folder(folder: Path) -> Iterator[Line]:
    """The same for all parts of a folder, one file after another."""
    try:
        foreign.look_in([folder])
    except RetortError as error:
        yield Line(str(folder), "it is a folder of parts", False, str(error))
        return
    files = foreign.files_in(folder.resolve())
    if not files:
        yield Line(str(folder), "it has a file for each part", False, "no .py file but helpers, which begin with _")
    for kind in map(foreign.kind_of_file, files):
        yield from check_named(kind)


def check_named(kind: str) -> Iterator[Line]:
    """The same for what a file of the folder, or the entry point of a package, of this name holds."""
    where = str(foreign.file_of(kind) or f"the package {foreign.package_of(kind)}")
    try:
        found = foreign.parts_of(kind)
        for family in dict.fromkeys(cls.family for cls in found):
            foreign.part_class(family, kind, list(ours(family)))  # which says what is wrong with its name
    except RetortError as error:
        yield Line(where, "it holds one part of a family", False, str(error))
        return
    if not found:
        yield Line(where, "it holds one part of a family", False, "no class of a family of `retort.parts`")
    for cls in found:
        if kind in ours(cls.family):
            yield Line(where, "its name is its own", False, f"one of Retort's own {cls.family} is called {kind!r}")
        yield from check_part(cls)


def check_ours() -> Iterator[Line]:
    """The same for the parts that come with Retort."""
    for family in FAMILIES:
        for cls in ours(family).values():
            yield from check_part(cls)


def main(words: Sequence[str] | None = None) -> int:
    """What `python -m retort.parts.check` does: its exit status."""
    parser = argparse.ArgumentParser(
        prog="retort.parts.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="a folder of parts; none: Retort's own")
    parser.add_argument("--packages", action="store_true", help="the parts that installed packages bring")
    options = parser.parse_args(words)
    count = failed = 0
    for line in _lines(options.folders, options.packages):
        print(line, flush=True)
        count, failed = count + 1, failed + (not line.ok)
    print(f"{counted(count, 'check')}, {f'{failed} FAILED' if failed else 'all ok'}")
    return int(failed > 0 or count == 0)


def _lines(folders: Sequence[Path], packages: bool) -> Iterator[Line]:
    for folder in folders:
        yield from check_folder(folder)
    if packages:
        foreign.look_in([])
        for kind in foreign.names():
            yield from check_named(kind)
    if not folders and not packages:
        yield from check_ours()


if __name__ == "__main__":
    sys.exit(main())
