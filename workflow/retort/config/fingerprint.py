"""Which library code a stage can reach, as one short hash that Snakemake can compare.

Snakemake notices a changed script but not a changed module behind it. Each rule therefore carries the
fingerprint of its stage as a parameter: an edit of code reruns exactly the stages that can reach it, an
edit of a comment or a docstring reruns nothing.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parents[1]


def fingerprint(script: Path, root: Path = PACKAGE_ROOT) -> str:
    """Twelve hexadecimal digits for the syntax trees of a script and of all it reaches inside the package.

    Imports inside functions count too, and so do tables of the package that a module names. Raises FileNotFoundError
    when there is no such script.
    """
    digest = hashlib.sha256(_bare_code(script))
    for name in sorted(reachable(script, root)):
        digest.update(name.encode())
        digest.update(_bare_code(_source_of(name, root)))
    for table in sorted(tables(script, root)):
        digest.update(table.relative_to(root).as_posix().encode())
        digest.update(_content(table))
    return digest.hexdigest()[:12]


def reachable(script: Path, root: Path = PACKAGE_ROOT) -> set[str]:
    """Names of the modules of the package that a script imports, directly or not."""
    seen, todo = set(), list(_imports(script, "__main__", root))
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(_imports(_source_of(name, root), name, root))
    return seen


def tables(script: Path, root: Path = PACKAGE_ROOT) -> set[Path]:
    """Files of the package, other than code, whose names stand in a module that a script reaches."""
    return set().union(*(_tables_named(_source_of(name, root), root) for name in reachable(script, root)))


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
def _source_of(name: str, root: Path) -> Path | None:
    package, *parts = name.split(".")
    if package != root.name:
        return None
    path = root.joinpath(*parts)
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((c for c in candidates if c.is_file()), None)


@cache
def _imports(source: Path, name: str, root: Path) -> frozenset[str]:
    """Modules of the package that `source`, known as `name`, imports; importing a.b.c also runs a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, source)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    parents = {".".join(m.split(".")[:i]) for m in found for i in range(1, m.count(".") + 1)}
    return frozenset(m for m in found | parents if _source_of(m, root) is not None)


def _absolute(node: ast.ImportFrom, importer: str, source: Path) -> str:
    if not node.level:
        return node.module
    package = importer.split(".") if source.name == "__init__.py" else importer.split(".")[:-1]
    anchor = package[: len(package) - node.level + 1]
    return ".".join([*anchor, node.module] if node.module else anchor)


@cache
def _bare_code(source: Path) -> bytes:
    """The syntax tree, as text, without docstrings; comments and layout are not in it anyway."""
    tree = ast.parse(source.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree).encode()
