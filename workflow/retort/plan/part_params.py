"""Parts as parameters of rules: what they are, and the fingerprint of their code, so that an edit of a part reruns the
jobs that run it and no other."""

import hashlib
import inspect
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from retort.config.schema.methods import Method
from retort.parts.foreign import package_of
from retort.parts.layouts import Layout
from retort.parts.part import Part, parts_in
from retort.plan.fingerprint import fingerprint, reachable, source_of_module


def described(part: Part) -> dict[str, Any]:
    """A part as the parameter of a rule; `retort.running.call` makes it of this again."""
    classes = [type(part), *(type(inner) for _, _, inner in parts_in(part))]
    codes = " ".join(code_of_part(cls) for cls in dict.fromkeys(classes))
    return {"family": part.family, "keys": part.model_dump(mode="json", exclude=part.unread()), "code": codes}


@cache
def code_of_part(cls: type[Part]) -> str:
    """The fingerprint of all code that a part reaches: in this library, and, of one that lies elsewhere, beside it."""
    file = source_of(cls)
    if not cls.file_outside():
        return fingerprint(file)
    root, name = _package_of(cls)
    own, package = fingerprint(file, root, name), package_of(cls.kind)
    library = (fingerprint(beside) for beside in _files_of(cls))  # what these reach of Retort
    return hashlib.sha256(" ".join([own, *library, *filter(None, [package])]).encode()).hexdigest()[:12]


def code_of_layout(layout: Layout) -> str:
    """The fingerprint of all code that a layout reaches."""
    return fingerprint(source_of(type(layout)))


def source_of(cls: type) -> Path:
    """The file of a class."""
    return Path(inspect.getfile(cls)).resolve()


def origin_of_parts(method: Method, discoveries: Iterable[Part] = ()) -> dict[str, dict[str, Any]]:
    """family/kind -> the code of each part of a method, and of its discoveries, for the provenance of its sets.

    Of parts that are not ours also the package that they come from, or their files, the part's own first, whose text
    `write_set` adds when it writes the set: a comment in them is no reason to make anything again.
    """
    found = {}
    for part in (*(part for _, _, part in method.parts()), *discoveries):
        cls, origin = type(part), {"code": code_of_part(type(part))}
        if package := package_of(part.kind) if cls.file_outside() else None:
            origin["package"] = package
        elif cls.file_outside():
            root, _ = _package_of(cls)
            origin["files"] = [file.relative_to(root.parent).as_posix() for file in _files_of(cls)]
        found[f"{part.family}/{part.kind}"] = origin
    return found


def _files_of(cls: type[Part]) -> list[Path]:
    """The file of a part that is not ours, and those that it imports beside it."""
    root, name = _package_of(cls)
    beside = reachable(source_of(cls), root, name)
    return [source_of(cls), *sorted(source_of_module(other, root) for other in beside)]


def _package_of(cls: type[Part]) -> tuple[Path, str]:
    """The folder of the package that holds a part which is not ours, and the name of the part's module in it.

    A folder of parts is a package by its own name here, wherever it lies.
    """
    file, (_, *inner) = source_of(cls), cls.__module__.split(".")
    up = len(inner) + (file.name == "__init__.py")
    root = file.parents[max(up - 1, 0)]
    return root, ".".join([root.name, *inner])
