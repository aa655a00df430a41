"""The floors of the library: each stands only on those below it, and some things are not done on any."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from retort.parts.resolve import FAMILIES, ours
from retort.plan import fingerprint

LIBRARY = Path(fingerprint.__file__).parents[1]
SOURCES = {
    ".".join(["retort", *path.relative_to(LIBRARY).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(LIBRARY.rglob("*.py"))
}
TESTS = sorted((LIBRARY.parents[1] / "tests" / "unit").rglob("*.py"))
FLOORS = {
    "base": 0,
    "parts": 1,
    "config": 2,
    "data": 3,
    "models": 4,
    "methods": 5,
    "evaluation": 5,
    "artifacts": 6,
    "plan": 7,
    "running": 7,
    "report": 7,
    "stages": 8,
}
# What a part computes with it imports when it works, so that a config is read without it; what it is, before.
LATE = {"parts": {"methods", "data"}}


def imports(source: str, package: str) -> set[str]:
    """Dotted names that a module's text imports, wherever the import stands."""
    return _imported(ast.walk(ast.parse(source)), package)


def imports_at_once(source: str, package: str) -> set[str]:
    """The same, without those in functions and those for type checkers alone."""
    todo, nodes = [ast.parse(source)], []
    while todo:
        node = todo.pop()
        nodes.append(node)
        late = isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        todo += [] if late else ast.iter_child_nodes(node)
    return _imported(nodes, package)


def _imported(nodes: Iterable[ast.AST], package: str) -> set[str]:
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else None
            base = ".".join(filter(None, [above, node.module]))
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def imports_of(name: str, found: Callable = imports) -> set[str]:
    path = SOURCES[name]
    return found(path.read_text(), name if path.name == "__init__.py" else name.rpartition(".")[0])


def floor_of(name: str) -> str | None:
    """The floor that a dotted name belongs to; None outside the library and for what stands beside the floors."""
    parts = name.split(".")
    return parts[1] if parts[0] == "retort" and len(parts) > 1 and parts[1] in FLOORS else None


def breaks_the_order(importer: str, imported: str) -> bool:
    own, other = floor_of(importer), floor_of(imported)
    return other is not None and own != other and (own is None or FLOORS[other] >= FLOORS[own])


@pytest.mark.parametrize("name", SOURCES)
def test_module_imports_only_from_its_own_floor_and_those_below(name):
    found = imports_at_once if floor_of(name) in LATE else imports
    assert {imported for imported in imports_of(name, found) if breaks_the_order(name, imported)} == set()


@pytest.mark.parametrize("name", [name for name in SOURCES if floor_of(name) in LATE])
def test_parts_import_late_only_what_they_compute_with(name):
    late = {floor_of(imported) for imported in imports_of(name) - imports_of(name, imports_at_once)} - {None}
    for_types = {"data", "models"}  # of arguments
    assert {floor for floor in late if FLOORS[floor] > FLOORS["parts"]} - for_types <= LATE[floor_of(name)]


def test_parts_are_asked_not_told_apart():
    """What a part is, only the parts themselves know: whoever needs to know asks it."""
    kinds = {cls.__name__ for family in FAMILIES for cls in ours(family).values()} | {"Part"}
    told = [
        (name, ast.unparse(node))
        for name in SOURCES
        if floor_of(name) not in ("parts", "running")
        for node in ast.walk(ast.parse(SOURCES[name].read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and len(node.args) == 2
        if kinds & set(re.findall(r"\w+", ast.unparse(node.args[1])))
    ]
    assert told == []


@pytest.mark.parametrize("name", [n for n in SOURCES if floor_of(n) in ("methods", "evaluation")])
def test_methods_and_evaluation_touch_no_file_no_path_and_no_snakemake(name):
    roots = {imported.split(".")[0] for imported in imports_of(name)}
    assert roots & {"snakemake", "pathlib", "os", "shutil", "tempfile", "glob", "io"} == set()
    calls = [node.func for node in ast.walk(ast.parse(SOURCES[name].read_text())) if isinstance(node, ast.Call)]
    assert "open" not in {call.id for call in calls if isinstance(call, ast.Name)}


RULES = [LIBRARY.parents[1] / "Snakefile", *sorted((LIBRARY.parents[1] / "rules").glob("*.smk"))]
PLANNING = {name for file in RULES for name in re.findall(r"^(?:from|import) (retort[.\w]+)", file.read_text(), re.M)}


@pytest.mark.parametrize(
    ("names", "heavy"),
    [
        ([name for name in SOURCES if floor_of(name) == "config"], {"torch", "diffusers", "sklearn", "scipy", "PIL"}),
        (sorted(PLANNING), {"torch", "diffusers", "sklearn", "scipy"}),
    ],
    ids=["read", "planned"],
)
def test_config_is_read_and_planned_without_loading_torch(names, heavy):
    """Whoever starts Snakemake waits for it, and so does each job on a cluster."""
    assert len(names) > 20
    program = f"import sys, {', '.join(names)}; print({heavy} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(LIBRARY.parent)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# CIFAR comes as pickles; the one module that reads them lets them build arrays of numbers and nothing else.
# Checkpoints of others may be pickles too; torch's own reader takes tensors out of them and runs nothing.
RESTRICTED = {"retort.data.unpickle": {"pickle.Unpickler"}, "retort.models.pickled": set()}
TENSORS_ONLY = {"retort.models.pickled": "torch.load(path, map_location='cpu', weights_only=True, mmap="}


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_pickled_or_unpickled(name):
    pickling = {imported for imported in imports_of(name) if imported.split(".")[0] in PICKLES}
    assert pickling - {"pickle"} == RESTRICTED.get(name, set())
    assert "pickle" not in pickling or name in RESTRICTED
    tree = ast.parse(SOURCES[name].read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    allowed = TENSORS_ONLY.get(name, "not allowed")
    called = {ast.unparse(call.func) for call in calls if not ast.unparse(call).startswith(allowed)}
    assert called & {"torch.load", "torch.save", "pd.read_pickle", "np.load", "numpy.load"} == set()
    named = {imported for imported in imports_of(name) if imported in ("torch.load", "torch.save", "numpy.load")}
    assert named == set()


STAGES = [name for name in SOURCES if floor_of(name) == "stages" and SOURCES[name].name != "__init__.py"]


@pytest.mark.parametrize("name", STAGES)
def test_no_stage_imports_a_stage(name):
    assert {imported for imported in imports_of(name) if floor_of(imported) == "stages"} == set()


# ---------------------------------------------------------------- these tests themselves


@pytest.mark.parametrize(
    ("importer", "imported", "broken"),
    [
        ("retort.data.images", "retort.base.seeds.derive_seed", False),
        ("retort.plan.plan", "retort.data.classes.contents_stamp", False),
        ("retort.config.load", "retort.data.classes.contents_stamp", True),
        ("retort.methods.ddim", "retort.evaluation.losses", True),
        ("retort.models.dit", "retort.running.job", True),
        ("retort.stages.tables.tabulate_costs", "retort.methods.ddim", False),
        ("retort.plan.plan", "retort.running.job", True),
        ("retort.base.errors", "retort.config.inherit", True),
        ("retort", "retort.base.errors", True),
        ("retort.data.images", "numpy", False),
    ],
)
def test_order_of_the_floors_is_what_these_tests_take_it_for(importer, imported, broken):
    assert breaks_the_order(importer, imported) == broken


def test_imports_are_found_in_every_form():
    source = (
        "import a.b\nfrom c import d\nfrom . import e\nfrom .f import g\nfrom ..h import i\ndef x():\n    import j\n"
    )
    assert imports(source, "p.q") == {"a.b", "c.d", "p.q.e", "p.q.f.g", "p.h.i", "j"}


def test_every_module_stands_on_a_floor_or_beside_them():
    assert {name for name in SOURCES if floor_of(name) is None} == {"retort"}
    assert {floor_of(name) for name in SOURCES} - {None} == set(FLOORS)


def test_the_unit_tests_stand_on_the_same_floors():
    """`house` holds those of the repository itself: its pages, commands and layers."""
    found = {path.relative_to(LIBRARY.parents[1] / "tests" / "unit").parts[:-1] for path in TESTS}
    assert {folders[0] if folders else "" for folders in found} <= {*FLOORS, "house"}
