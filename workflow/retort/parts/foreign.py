"""Parts that lie outside this library: files of folders that a config names in `parts:`, and packages with the entry
point group `retort.parts`.

The name of a part is that of its file, with - for _, or that of its entry point. A file is imported when a config, or a
job, asks for its part: it is code that its user chose to run.
"""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from retort.base.errors import RetortError, place_of
from retort.base.hints import did_you_mean
from retort.parts.part import Part

GROUP = "retort.parts"
_folders: list[Path] = []
_files: dict[str, Path] = {}  # by the name of the part


def look_in(folders: Sequence[str | Path]) -> None:
    """From now on, take parts from these folders.

    Raises RetortError for a path that is no folder, and for a name that two files have.
    """
    asked = [Path(folder).resolve() for folder in folders]
    if missing := [folder for folder in asked if not folder.is_dir()]:
        raise RetortError(f"parts: {missing[0]} is no folder; name one that holds a file for each part")
    found: dict[str, Path] = {}
    for file in (file for folder in dict.fromkeys(asked) for file in files_in(folder)):
        if (other := found.setdefault(kind_of_file(file), file)) != file:
            raise RetortError(f"parts: {other} and {file} have one name; rename one of them")
    _folders[:] = asked
    _files.clear()
    _files.update(found)


def part_folders() -> list[str]:
    """The folders that are looked in."""
    return list(map(str, _folders))


def files_in(folder: Path) -> list[Path]:
    """The files of a folder that are parts; those that begin with _ are helpers of theirs."""
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))


def kind_of_file(file: Path) -> str:
    return file.stem.replace("_", "-")


def names() -> list[str]:
    """Names of all parts in the folders, and of those that installed packages bring."""
    return [*_files, *_entries()]


def has(kind: str) -> bool:
    """Whether a folder or a package has a part of this name."""
    return kind in _files or kind in _entries()


def file_of(kind: str) -> Path | None:
    """The file of a part in one of the folders."""
    return _files.get(kind)


def package_of(kind: str) -> str | None:
    """name==version of the package that has a part, where no folder has it."""
    entry = None if kind in _files else _entries().get(kind)
    return f"{entry.dist.name}=={entry.dist.version}" if entry and entry.dist else None


def texts_of(kind: str, files: Sequence[str]) -> dict[str, str]:
    """The text of files beside that of a part, by their paths from above its folder."""
    above = file_of(kind).parent.parent
    return {name: (above / name).read_text(encoding="utf-8") for name in files}


def part_class(family: str, kind: Any, known: Sequence[str]) -> type[Part]:
    """The class of a part that is not ours. Raises RetortError where there is none, or its file cannot be read."""
    if isinstance(kind, str) and has(kind):
        return _of_family(parts_of(kind), family, kind, str(file_of(kind) or f"the package {package_of(kind)}"))
    raise RetortError(
        f"none of the {family} is called {kind!r}{did_you_mean(kind, [*known, *names()])} (allowed: "
        f"{', '.join(known)}, or the name of a file in a folder of `parts:`)"
    )


def parts_of(kind: str) -> list[type[Part]]:
    """The classes of parts of a file, or of what an entry point names. Raises RetortError where it cannot be read."""
    return list(parts_in(module_of(_files[kind]))) if kind in _files else _loaded(_entries()[kind])


# ---------------------------------------------------------------- files of folders


def module_of(file: Path) -> ModuleType:
    """The module of a file of a folder, which is a package of its own: `from ._helper import ...` reaches its helpers.

    Raises RetortError, in one line with the file and its line, for one that cannot be imported.
    """
    package = _package(file.parent)
    name = f"{package}.{file.stem}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, file)
        sys.modules[name] = module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise RetortError(f"{_place(error, file)}: {type(error).__name__}: {_said(error)}") from error
    return sys.modules[name]


def _package(folder: Path) -> str:
    """The name of a folder as a package: one that no other folder and no module of Python has."""
    name = f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}".replace(".", "-")
    if name not in sys.modules:
        sys.modules[name] = package = ModuleType(name)
        package.__path__ = [str(folder)]
    return name


def _place(error: Exception, file: Path) -> str:
    """The file and the line at which it, or a helper beside it, could not be imported."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).parent == file.parent:
        return f"{error.filename}, line {error.lineno}"
    return place_of(error, [file.parent]) or str(file)


def _said(error: Exception) -> str:
    """What an error says; of a line that cannot be read, without its place."""
    return error.msg if isinstance(error, SyntaxError) else str(error)


def blamed(error: BaseException) -> str | None:
    """FILE, line N of the last frame of an error in a part that is not ours; None where there is none."""
    return place_of(error, [*_folders, *_packages])


# ---------------------------------------------------------------- packages

_packages: list[Path] = []  # folders, or files, of packages whose parts were taken


def _entries() -> dict[str, EntryPoint]:
    """The parts that installed packages bring, by name."""
    return _entries_on(tuple(sys.path))


@cache  # every distribution is looked through, and a config asks for each word in it
def _entries_on(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    return found


def _loaded(entry: EntryPoint) -> list[type[Part]]:
    """The parts of the module, or the one class, that an entry point names."""
    try:
        found = entry.load()
    except Exception as error:
        raise RetortError(f"the part {entry.name} ({entry.value}): {type(error).__name__}: {error}") from error
    top = sys.modules[entry.module.partition(".")[0]]
    _packages.append(Path(top.__file__).parent if hasattr(top, "__path__") else Path(top.__file__))
    if isinstance(found, ModuleType):
        return list(parts_in(found))
    return [found] if isinstance(found, type) and issubclass(found, Part) else []


# ---------------------------------------------------------------- what is found


def parts_in(module: ModuleType) -> Iterator[type[Part]]:
    """The parts that a module defines itself."""
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, Part) and found.__module__ == module.__name__:
            yield found


def _of_family(parts: list[type[Part]], family: str, kind: str, where: str) -> type[Part]:
    """The one part of a family, which has the name that it was found by."""
    fitting = [part for part in parts if part.family == family]
    if len(fitting) != 1:
        listed = ", ".join(f"{part.__name__} of the {part.family}" for part in parts) or "no part"
        raise RetortError(f"{where}: one part of the {family} is wanted, found {listed}")
    if fitting[0].kind != kind:
        raise RetortError(
            f"{where}: {fitting[0].__name__} calls itself {fitting[0].kind!r}, but it is found by the name {kind!r}; "
            "give it that kind, or leave its kind out and name its file so"
        )
    return fitting[0]
