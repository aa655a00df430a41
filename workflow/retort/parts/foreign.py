"""Parts that lie outside this library: files of folders that a config names in `parts:`, and packages with the entry
point group `retort.parts`.

The name of a part is that of its file, with - for _, or that of its entry point. A file is imported when a config, or a
job, asks for its part: it is code that its user chose to run.
"""

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from retort.base.errors import RetortError
from retort.base.hints import did_you_mean
from retort.parts.part import Part

GROUP = "retort.parts"
_folders: list[Path] = []


def look_in(folders: Sequence[str | Path]) -> None:
    """From now on, take parts from these folders, the first that has a name before the others.

    Raises RetortError for a path that is no folder, for two that are called alike, and for a name that two files have.
    """
    asked = [Path(folder).resolve() for folder in folders]
    if missing := [folder for folder in asked if not folder.is_dir()]:
        raise RetortError(f"parts: {missing[0]} is no folder; name one that holds a file for each part")
    for folder in asked:
        if not folder.name.isidentifier():
            raise RetortError(
                f"parts: the folder {folder} becomes a package of Python, so its name must be made of letters, digits "
                "and _; rename it"
            )
    files = [file for folder in asked for file in files_in(folder)]
    for file in files:
        if twice := [other for other in files if other != file and kind_of_file(other) == kind_of_file(file)]:
            raise RetortError(f"parts: {file} and {twice[0]} have one name; rename one of them")
    _folders[:] = asked


def part_folders() -> list[str]:
    """The folders that are looked in."""
    return list(map(str, _folders))


def files_in(folder: Path) -> list[Path]:
    """The files of a folder that are parts; those that begin with _ are helpers of theirs."""
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))


def kind_of_file(file: Path) -> str:
    return file.stem.replace("_", "-")


def has(kind: str) -> bool:
    """Whether a folder or a package has a part of this name."""
    return file_of(kind) is not None or _entry_of(kind) is not None


def file_of(kind: str) -> Path | None:
    """The file of a part in one of the folders."""
    return next((file for folder in _folders for file in files_in(folder) if kind_of_file(file) == kind), None)


def package_of(kind: str) -> str | None:
    """name==version of the package that has a part, where no folder has it."""
    entry = None if file_of(kind) else _entry_of(kind)
    return f"{entry.dist.name}=={entry.dist.version}" if entry and entry.dist else None


def part_class(family: str, kind: Any, known: Sequence[str]) -> type[Part]:
    """The class of a part that is not ours. Raises RetortError where there is none, or its file cannot be read."""
    file, entry = (file_of(kind), _entry_of(kind)) if isinstance(kind, str) else (None, None)
    if file:
        return _of_family(module_of(file), family, str(file))
    if entry:
        return _of_family(_loaded(entry), family, f"the package {package_of(kind)}")
    names = [*known, *(kind_of_file(f) for folder in _folders for f in files_in(folder)), *entries()]
    raise RetortError(
        f"none of the {family} is called {kind!r}{did_you_mean(kind, names)} (allowed: {', '.join(known)}, or the name "
        f"of a file in a folder of `parts:`)"
    )


def module_of(file: Path) -> ModuleType:
    """The module of a file of a folder, which is a package of its own: `from ._helper import ...` reaches its helpers.

    Raises RetortError, in one line with the file and its line, for one that cannot be imported.
    """
    folder = file.parent
    package = sys.modules.get(folder.name)
    if package is None or list(getattr(package, "__path__", [])) != [str(folder)]:
        if package is not None:
            raise RetortError(f"parts: a module of Python is called {folder.name} already; rename the folder {folder}")
        package = ModuleType(folder.name)
        package.__path__ = [str(folder)]
        sys.modules[folder.name] = package
    name = f"{folder.name}.{file.stem}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, file)
        sys.modules[name] = module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise RetortError(f"{_where(error, file)}: {type(error).__name__}: {error}") from error
    return sys.modules[name]


def _where(error: Exception, file: Path) -> str:
    """The file and the line of it at which it could not be imported."""
    line, trace = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None, error.__traceback__
    while trace:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == str(file) else line
        trace = trace.tb_next
    return f"{file}, line {line}" if line else str(file)


def parts_in(module: ModuleType) -> Iterator[type[Part]]:
    """The parts that a module defines itself."""
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, Part) and found.__module__ == module.__name__:
            yield found


def _of_family(module: ModuleType, family: str, where: str) -> type[Part]:
    parts = list(parts_in(module))
    fitting = [part for part in parts if part.family == family]
    if len(fitting) != 1:
        found = ", ".join(f"{part.__name__} of the {part.family}" for part in parts) or "no part"
        raise RetortError(f"{where}: one part of the {family} is wanted, found {found}")
    return fitting[0]


def entries() -> list[str]:
    """Names of the parts that installed packages bring."""
    return [entry.name for entry in entry_points(group=GROUP)]


def _entry_of(kind: str) -> EntryPoint | None:
    return next((entry for entry in entry_points(group=GROUP) if entry.name == kind), None)


def _loaded(entry: EntryPoint) -> ModuleType:
    """The module that an entry point names."""
    try:
        return entry.load()
    except Exception as error:
        raise RetortError(f"the part {entry.name} ({entry.value}): {type(error).__name__}: {error}") from error
