"""What the names of a revision's rules and library stand for, read from the text alone: nothing is imported or run."""

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
CONTINUED = re.compile(r"[ \t)\]}#]|$|(else|elif|except|finally)\b")
RULE = re.compile(r"(?:use )?rule (\w+)\b")
NO_RESULT = {"log", "benchmark", "conda", "priority", "resources", "threads", "retries", "group", "message"}


@dataclass(frozen=True)
class Definition:
    """Something with a name: the file that it stands in, and its syntax tree."""

    path: str
    node: ast.AST


class Definitions:
    """Names of a tree of files: of the rules all in one space, as in Snakemake; of the library by module."""

    def __init__(self, tree: Path):
        self.tree = tree

    @cached_property
    def modules(self) -> dict[str, str]:
        """Dotted name of each module of the library -> its path in the tree."""
        found = {}
        for file in (self.tree / "workflow" / "retort").rglob("*.py"):
            name = ".".join(file.relative_to(self.tree / "workflow").with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file.relative_to(self.tree).as_posix()
        return found

    @cached_property
    def of_rules(self) -> dict[str, Definition]:
        """Functions, names and imports at the top of the rule files."""
        found = {}
        for file in sorted(self.tree.glob("rules/**/*.smk")):
            path = file.relative_to(self.tree).as_posix()
            for block in blocks(file.read_text()):
                try:
                    body = ast.parse(block).body
                except SyntaxError:
                    continue  # a rule, or another of Snakemake's own words
                inner = [node for top in body for node in getattr(top, "body", []) if not isinstance(top, Function)]
                found |= _named(path, [*body, *inner])
        return found

    def rule(self, name: str) -> tuple[str, dict[str, str]]:
        """The file of a rule, and the text of each of its sections that a result depends on.

        Raises KeyError where no rule has the name.
        """
        for file in sorted(self.tree.glob("rules/*.smk")):
            for block in blocks(file.read_text()):
                if (head := RULE.match(block)) and head[1] == name:
                    return file.relative_to(self.tree).as_posix(), sections(block)
        raise KeyError(name)

    def of_module(self, path: str) -> dict[str, Definition]:
        """What the names of a module are bound to at its top; imports inside functions count as well."""
        if path not in self._of_modules:
            tree = ast.parse((self.tree / path).read_text())
            imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
            self._of_modules[path] = _named(path, [*imports, *tree.body])
        return self._of_modules[path]

    @cached_property
    def _of_modules(self) -> dict[str, dict[str, Definition]]:
        return {}

    def resolved(self, found: Definition, name: str) -> Definition | str | None:
        """What an import means: a definition, the path of a module, or None for what is not of the library."""
        if not isinstance(found.node, ast.ImportFrom):
            return found
        alias = next(alias for alias in found.node.names if name == (alias.asname or alias.name))
        module = found.node.module or ""
        if whole := self.modules.get(f"{module}.{alias.name}"):
            return whole
        if module not in self.modules:
            return None
        inner = self.of_module(self.modules[module]).get(alias.name)
        return inner and self.resolved(inner, alias.name)


def blocks(text: str) -> list[str]:
    """A rule file, cut where a statement begins in the first column; decorators stay with what they decorate."""
    found, open_quotes = [""], False
    for line in text.splitlines(keepends=True):
        if open_quotes or CONTINUED.match(line) or (found[-1].startswith("@") and found[-1].count("\n") == 1):
            found[-1] += line
        else:
            found.append(line)
        open_quotes ^= line.count('"""') % 2 == 1
    return found


def sections(block: str) -> dict[str, str]:
    """The sections of a rule that a result depends on, each as the arguments of a call."""
    parts = re.split(r"^    (\w+):", block, flags=re.MULTILINE)[1:]
    return {name: text for name, text in zip(parts[::2], parts[1::2], strict=True) if name not in NO_RESULT}


def _named(path: str, nodes: list[ast.AST]) -> dict[str, Definition]:
    found = {}
    for node in nodes:
        if isinstance(node, Function | ast.ClassDef):
            found[node.name] = Definition(path, node)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: Definition(path, node) for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id: Definition(path, node) for target in node.targets if isinstance(target, ast.Name)}
    return found
