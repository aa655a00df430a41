"""The floors of the library: each stands only on those below it, and some things are not done on any."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retort.plan import fingerprint

LIBRARY = Path(fingerprint.__file__).parents[1]
SOURCES = {
    ".".join(["retort", *path.relative_to(LIBRARY).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in sorted(LIBRARY.rglob("*.py"))
}
TESTS = sorted((LIBRARY.parents[1] / "tests" / "unit").rglob("*.py"))
FLOORS = {
    "base": 0,
    "config": 1,
    "data": 2,
    "models": 3,
    "methods": 4,
    "evaluation": 4,
    "artifacts": 5,
    "plan": 6,
    "running": 6,
    "report": 6,
    "stages": 7,
}


def imports(source: str, package: str) -> set[str]:
    """Dotted names that a module's text imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else None
            base = ".".join(filter(None, [above, node.module]))
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def imports_of(name: str) -> set[str]:
    path = SOURCES[name]
    return imports(path.read_text(), name if path.name == "__init__.py" else name.rpartition(".")[0])


def floor_of(name: str) -> str | None:
    """The floor that a dotted name belongs to; None outside the library and for what stands beside the floors."""
    parts = name.split(".")
    return parts[1] if parts[0] == "retort" and len(parts) > 1 and parts[1] in FLOORS else None


def breaks_the_order(importer: str, imported: str) -> bool:
    own, other = floor_of(importer), floor_of(imported)
    return other is not None and own != other and (own is None or FLOORS[other] >= FLOORS[own])


@pytest.mark.parametrize("name", SOURCES)
def test_module_imports_only_from_its_own_floor_and_those_below(name):
    assert {imported for imported in imports_of(name) if breaks_the_order(name, imported)} == set()


@pytest.mark.parametrize("name", [n for n in SOURCES if floor_of(n) in ("methods", "evaluation")])
def test_methods_and_evaluation_touch_no_file_no_path_and_no_snakemake(name):
    roots = {imported.split(".")[0] for imported in imports_of(name)}
    assert roots & {"snakemake", "pathlib", "os", "shutil", "tempfile", "glob", "io"} == set()
    calls = [node.func for node in ast.walk(ast.parse(SOURCES[name].read_text())) if isinstance(node, ast.Call)]
    assert "open" not in {call.id for call in calls if isinstance(call, ast.Name)}


def test_config_is_read_and_planned_without_loading_torch():
    names = [name for name in SOURCES if floor_of(name) == "config"]
    program = f"import sys, {', '.join(names)}; print({{'torch', 'diffusers', 'sklearn', 'PIL'}} & set(sys.modules))"
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
        ("retort.base.errors", "retort.base.hints", True),
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
