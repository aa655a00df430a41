"""Parts as parameters of rules: what they are, and the fingerprint of their code, so that an edit of a part reruns the
jobs that run it and no other."""

import hashlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

from retort.config.schema.methods import Method
from retort.parts.foreign import package_of
from retort.parts.part import Part, parts_in
from retort.plan.fingerprint import PACKAGE_ROOT, fingerprint


def described(part: Part) -> dict[str, Any]:
    """A part as the parameter of a rule; `retort.running.call` makes it of this again."""
    classes = [type(part), *(type(inner) for _, _, inner in parts_in(part))]
    codes = " ".join(code_of_part(cls) for cls in dict.fromkeys(classes))
    return {"family": part.family, "keys": part.model_dump(mode="json", exclude=part.unread()), "code": codes}


@cache
def code_of_part(cls: type[Part]) -> str:
    """The fingerprint of all code that a part reaches: in this library, and, of one that lies elsewhere, beside it."""
    file = source_of(cls)
    if not is_foreign(cls):
        return fingerprint(file)
    own = fingerprint(file, root=file.parent, name=cls.__module__)
    return hashlib.sha256(f"{own} {fingerprint(file)}".encode()).hexdigest()[:12]


def source_of(cls: type[Part]) -> Path:
    """The file of a part's class."""
    return Path(inspect.getfile(cls)).resolve()


def origin_of_parts(method: Method) -> dict[str, dict[str, str]]:
    """family/kind -> the code of each part of a method, for the provenance of its sets; of parts that are not ours with
    their source, or the package that they come from."""
    found = {}
    for _, _, part in method.parts():
        cls, origin = type(part), {"code": code_of_part(type(part))}
        if package := package_of(part.kind) if is_foreign(cls) else None:
            origin["package"] = package
        elif is_foreign(cls):
            origin |= {"file": source_of(cls).name, "source": source_of(cls).read_text(encoding="utf-8")}
        found[f"{part.family}/{part.kind}"] = origin
    return found


def is_foreign(cls: type[Part]) -> bool:
    return not source_of(cls).is_relative_to(PACKAGE_ROOT)
