"""Which library code a stage can reach, as one short hash that Snakemake can compare.

Snakemake notices a changed script but not a changed module behind it. Each rule therefore carries the
fingerprint of its stage as a parameter: an edit of code reruns exactly the stages that can reach it, an
edit of a comment, a docstring or the description of a key of the config reruns nothing.
"""

import ast
import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE_ROOT = Path(__file__).resolve().parents[1]


class Parsed(NamedTuple):
    """What counts of a module: the hash of its bare code, and every name that it may import from a package."""

    code: str
    imports: tuple[str, ...]


# Parsing two hundred files takes two seconds at every start of Snakemake, and a cluster starts it twice a job.
_parsed: dict[str, Parsed] = {}  # by the hash of a module's name and content, and of what reads it

# Part of the key, so that no other version of this module's reading is taken from what was kept.
_READER = hashlib.sha256(Path(__file__).read_bytes()).digest()


def fingerprints(stages: Iterable[Path], memory: Path | None = None) -> dict[str, str]:
    """Stage's name without its ending -> fingerprint.

    memory: a file in which what was parsed is kept for the next time, by content; where it cannot be read or written,
    this takes longer.
    """
    with suppress(OSError, ValueError, TypeError):
        _parsed.update(
            {key: Parsed(code, tuple(names)) for key, (code, names) in json.loads(memory.read_text()).items()}
        )
    known = len(_parsed)
    found = {stage.stem: fingerprint(stage) for stage in stages}
    if memory and len(_parsed) > known:
        with suppress(OSError):
            memory.parent.mkdir(exist_ok=True)
            scratch = memory.with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps(_parsed))
            scratch.replace(memory)
    return found


def fingerprint(stage: Path, root: Path = PACKAGE_ROOT, name: str = "__main__") -> str:
    """Twelve hexadecimal digits for the syntax trees of a stage and of all it reaches inside the package at `root`.

    Imports inside functions count too, and so do tables of the package that a module names; name: by which relative
    imports of the stage are understood. Raises FileNotFoundError when there is no such stage.
    """
    digest = hashlib.sha256(_read(stage, name).code.encode())
    for reached in sorted(reachable(stage, root, name)):
        digest.update(f"{reached} {_read(source_of_module(reached, root), reached).code}".encode())
    for table in sorted(tables(stage, root, name)):
        digest.update(table.relative_to(root).as_posix().encode())
        digest.update(_content(table))
    return digest.hexdigest()[:12]


def reachable(stage: Path, root: Path = PACKAGE_ROOT, name: str = "__main__") -> set[str]:
    """Names of the modules of the package that a stage imports, directly or not."""
    seen, todo = set(), list(_imports(stage, name, root))
    while todo:
        reached = todo.pop()
        if reached not in seen:
            seen.add(reached)
            todo.extend(_imports(source_of_module(reached, root), reached, root))
    return seen


def tables(stage: Path, root: Path = PACKAGE_ROOT, name: str = "__main__") -> set[Path]:
    """Files of the package, other than code, whose names stand in a module that a stage reaches."""
    return set().union(*(_tables_named(source_of_module(m, root), root) for m in reachable(stage, root, name)))


@cache
def _tables_named(source: Path, root: Path) -> frozenset[Path]:
    text = source.read_text()
    found = [table for table in _tables_of(root) if table.name in text]
    nodes = ast.walk(ast.parse(text)) if found else ()  # parsed only where it may be more than a comment
    words = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return frozenset(table for table in found if table.name in words)


@cache
def _tables_of(root: Path) -> frozenset[Path]:
    return frozenset(p for p in root.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc"))


@cache
def _content(table: Path) -> bytes:
    return table.read_bytes()


@cache
def source_of_module(name: str, root: Path) -> Path | None:
    """The file of a module of the package at `root`; None for what is none."""
    package, *parts = name.split(".")
    if package != root.name:
        return None
    path = root.joinpath(*parts)
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((c for c in candidates if c.is_file()), None)


@cache
def _imports(source: Path, name: str, root: Path) -> frozenset[str]:
    """Modules of the package that `source`, known as `name`, imports; importing a.b.c also runs a and a.b."""
    found = set(_read(source, name).imports)
    parents = {".".join(m.split(".")[:i]) for m in found for i in range(1, m.count(".") + 1)}
    return frozenset(m for m in found | parents if source_of_module(m, root) is not None)


@cache
def _read(source: Path, name: str) -> Parsed:
    content = source.read_bytes()
    key = hashlib.sha256(_READER + f"{name} {source.name} ".encode() + content).hexdigest()
    if key not in _parsed:
        tree = ast.parse(content)
        names = tuple(sorted(_imported_names(tree, name, source)))
        _parsed[key] = Parsed(hashlib.sha256(_bare_code(tree)).hexdigest(), names)
    return _parsed[key]


def _imported_names(tree: ast.Module, name: str, source: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, source)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def _absolute(node: ast.ImportFrom, importer: str, source: Path) -> str:
    if not node.level:
        return node.module
    package = importer.split(".") if source.name == "__init__.py" else importer.split(".")[:-1]
    anchor = package[: len(package) - node.level + 1]
    return ".".join([*anchor, node.module] if node.module else anchor)


def _bare_code(tree: ast.Module) -> bytes:
    """The syntax tree, as text, without comments, layout, docstrings and descriptions of pydantic's fields.

    Docstrings and descriptions are taken out of `tree` itself.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Call) and _called(node) == "Field":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
    return ast.dump(tree).encode()


def _called(call: ast.Call) -> str | None:
    """The name of what is called, without the module that it is looked up in; None where it has no name."""
    return getattr(call.func, "id", getattr(call.func, "attr", None))
