"""The files that a reader opens from a rule to its numbers, and those of them that decide something.

Open are the file of the rule; the files of the look-ups that its inputs, outputs and parameters name, directly or by
one another; its script; the stage; and the files of what look-ups and stage call: of the plan, the methods, the
evaluation, the models, each followed through functions that only pass on until one decides. What no result depends on
(resources, logs) is not followed, and what lies under `HELPERS`, whose names say all, is not opened.

A function only passes on where it renames, packs and calls: it has no arithmetic, no comparison and no branch but one
for what is absent (`... if x else None`). A file decides if a function in it does that was reached. What binds and
surrounds every job alike (`MACHINERY`) is open and decides no number. Names are followed as the text has them: a
method of an object is found where its class is named beside it, so what an adapter of a model does is not.
"""

import ast
from collections.abc import Iterator

from bench.house.definitions import Definition, Definitions, Function

HELPERS = {"errors", "files", "filesystems", "tensors", "tables", "devices", "seeds", "batches", "hints", "running"}
HELPERS |= {"health", "fingerprint"}
MACHINERY = {"run", "call", "job"}
ALWAYS = {"__init__", "__call__", "from_rule"}  # methods that nobody names


def files_of_rule(names: Definitions, rule: str) -> dict[str, bool]:
    """Path -> whether it decides, for every file that is opened from a rule to its numbers, in this order.

    Raises KeyError where no rule has the name.
    """
    path, parts = names.rule(rule)
    reader = _Reader(names, {path: False})
    for section, text in parts.items():
        if section != "script":
            reader.follow(path, ast.parse(f"_({text})"))
    script = "workflow/" + ast.literal_eval(parts["script"].strip()).partition("workflow/")[2]
    reader.files[script] = False
    called = ast.parse((names.tree / script).read_text())
    reader.stages = _stage_modules(names, script, called, rule)
    reader.follow(script, called)
    for stage in reader.stages:
        if rule in names.of_module(stage):
            reader.reach(names.of_module(stage)[rule])
    return reader.files


def _stage_modules(names: Definitions, script: str, called: ast.Module, rule: str) -> set[str]:
    """Modules of stages that a script calls, or, where one script serves all rules, the module of the rule's name."""
    imported = {names.modules.get(node.module) for node in ast.walk(called) if isinstance(node, ast.ImportFrom)}
    own = {path for path in names.modules.values() if path.endswith(f"/{rule}.py")}
    return {path for path in imported | own if path and "/stages/" in path and _stem(path) not in MACHINERY}


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


class _Reader:
    """Follows names from one definition to the next, and keeps which files were opened."""

    def __init__(self, names: Definitions, files: dict[str, bool]):
        self.names, self.files, self.stages, self.seen = names, files, set(), set()

    def reach(self, found: Definition, attributes: frozenset[str] = frozenset()) -> None:
        """Open the file of a definition and go on from there. attributes: those that are named of it."""
        if _stem(found.path) in HELPERS or (found, attributes) in self.seen:
            return
        self.seen.add((found, attributes))
        if isinstance(found.node, ast.ClassDef):
            self._reach_class(found, attributes)
        elif kind := self._class_of(found):
            self._reach_class(kind, attributes)  # what is named of an object, not what it was made from
        elif self._goes_on(found.path, found.node):
            self.follow(found.path, found.node, attributes)

    def _goes_on(self, path: str, node: ast.AST) -> bool:
        """Open a file for a function in it, and say whether to follow what that names."""
        deciding = isinstance(node, Function) and decides(node) and _stem(path) not in MACHINERY
        self.files[path] = self.files.get(path, False) or deciding
        if _stem(path) in MACHINERY:
            return False
        return not deciding or path.endswith(".smk") or path in self.stages

    def _class_of(self, found: Definition) -> Definition | None:
        """The class that an assigned object is made from."""
        if not (isinstance(found.node, ast.Assign) and isinstance(found.node.value, ast.Call)):
            return None
        made = self._target(found.path, ast.unparse(found.node.value.func))
        return made if isinstance(made, Definition) and isinstance(made.node, ast.ClassDef) else None

    def _reach_class(self, found: Definition, attributes: frozenset[str]) -> None:
        methods = {node.name: node for node in found.node.body if isinstance(node, Function)}
        todo, done = sorted(methods.keys() & (attributes | ALWAYS)), set()
        while todo:
            done.add(name := todo.pop())
            if self._goes_on(found.path, methods[name]):
                self.follow(found.path, methods[name])
                own = attributes_of(methods[name], {"self", "cls"})
                attributes |= own
                todo += sorted((own & methods.keys()) - done - set(todo))
        for base in found.node.bases:
            self._reach_name(found.path, ast.unparse(base), attributes)

    def follow(self, path: str, node: ast.AST, attributes: frozenset[str] = frozenset()) -> None:
        """Go to everything that a piece of a file names. attributes: those named of what this piece assigns."""
        for name in sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name)}):
            self._reach_name(path, name, attributes | attributes_of(node, {name, *stand_for(node, name)}))

    def _target(self, path: str, name: str) -> Definition | str | None:
        space = self.names.of_rules if path.endswith(".smk") else self.names.of_module(path)
        return self.names.resolved(space[name], name) if name in space else None

    def _reach_name(self, path: str, name: str, attributes: frozenset[str]) -> None:
        target = self._target(path, name)
        if isinstance(target, Definition):
            self.reach(target, attributes)
        elif target:  # a module, of which functions are called by their dotted names
            for attribute in sorted(attributes & self.names.of_module(target).keys()):
                self._reach_name(target, attribute, frozenset())


def attributes_of(node: ast.AST, names: set[str]) -> frozenset[str]:
    """Attributes that are named of one of these names."""
    found = (n for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name))
    return frozenset(n.attr for n in found if n.value.id in names)


def stand_for(node: ast.AST, name: str) -> Iterator[str]:
    """Arguments with this annotation, and what is assigned from a call of this name: objects of a class."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.arg) and inner.annotation is not None:
            yield from [inner.arg] if name in ast.unparse(inner.annotation).split(" | ") else []
        elif isinstance(inner, ast.Assign) and isinstance(inner.value, ast.Call):
            made = ast.unparse(inner.value.func) == name
            yield from (target.id for target in inner.targets if made and isinstance(target, ast.Name))


# ---------------------------------------------------------------- what only passes on

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)


def decides(function: Function) -> bool:
    """Whether a function does more than to rename, to pack and to call."""
    return any(_decides(node) for statement in function.body for node in _outside_of_absent(statement))


def _decides(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ARITHMETIC) and not _joins_text(node)
    if isinstance(node, ast.comprehension):
        return bool(node.ifs)
    return isinstance(node, ast.Compare | ast.BoolOp | ast.If | ast.IfExp | ast.AugAssign | ast.Match | ast.While)


def _outside_of_absent(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but branches for what is absent, of which only the other arm counts."""
    if isinstance(node, ast.IfExp) and (_nothing(node.body) or _nothing(node.orelse)):
        yield from _outside_of_absent(node.orelse if _nothing(node.body) else node.body)
    elif isinstance(node, ast.If) and not node.orelse and _returns_nothing(node.body[0]):
        return
    else:
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _outside_of_absent(child)


def _returns_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Return) and (node.value is None or _nothing(node.value))


def _nothing(node: ast.AST) -> bool:
    return ast.unparse(node) in ("None", "{}", "[]", "()")


def _joins_text(node: ast.BinOp) -> bool:
    """Whether text or parts of a path are joined."""
    return any(
        isinstance(inner, ast.JoinedStr) or (isinstance(inner, ast.Constant) and isinstance(inner.value, str))
        for side in (node.left, node.right)
        for inner in ([side.left, side.right] if isinstance(side, ast.BinOp) else [side])
    )
