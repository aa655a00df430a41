"""The fingerprint of a stage: changed by the code it can reach, and by nothing else."""

import json
from pathlib import Path

import pytest

from retort.plan import fingerprint as reader
from retort.plan.fingerprint import fingerprint, fingerprints, reachable, tables

ROOT = Path(__file__).parents[3] / "workflow"
STAGES = {module.stem: module for module in sorted((ROOT / "retort" / "stages").glob("*/[!_]*.py"))}

PACKAGE = {
    "script.py": "from lib.stages.work import work\n\nwork(1)\n",
    "lib/__init__.py": "",
    "lib/stages/__init__.py": "",
    "lib/stages/work.py": (
        '"""Works."""\nimport lib.dotted.deep\nimport lib.near_table\nimport lib.schema\nfrom lib.direct import twice\n'
        "from . import beside\nfrom .near import one\n\n\n"
        "def work(x):\n    from lib.lazy import later\n\n    return later(twice(x)) + one + beside.two\n"
    ),
    "lib/stages/beside.py": "two = 2\n",
    "lib/stages/near.py": "from ..above import base\n\none = base\n",
    "lib/above.py": "base = 1\n",
    "lib/direct.py": (
        '"""Twice."""\n\nfrom lib.transitive import factor\n\n\nclass Unused:\n    """Nothing."""\n\n\n'
        'def twice(x):\n    """Twice x."""\n    return factor * x  # as it says\n'
    ),
    "lib/transitive.py": "factor = 2\n",
    "lib/near_table.py": '# not other.csv\nfrom pathlib import Path\n\ntable = Path(__file__).with_name("named.csv")\n',
    "lib/named.csv": "a\n1\n",
    "lib/other.csv": "a\n1\n",
    "lib/schema.py": (
        "import pydantic\nfrom pydantic import Field\n\n\nclass Table:\n"
        '    steps: int = Field(50, ge=1, description="How many steps are taken.")\n'
        '    scale: float = pydantic.Field(\n        default=4.0,\n        description=f"From {1} "\n'
        '        "up.",\n    )\n'
        '    kind: str = Choice("ddim", description="One sampler.")\n'
        '    seed: int = Field(0, title="The seed.")\n\n\n'
        'description = "A text of its own."\n'
    ),
    "lib/lazy.py": "def later(x):\n    print(x)\n    return x\n",
    "lib/dotted/__init__.py": "flag = 1\n",
    "lib/dotted/deep.py": "deep = 1\n",
    "lib/unreached.py": "alone = 1\n",
}
REACHED = sorted(name for name in set(PACKAGE) - {"script.py", "lib/unreached.py"} if name.endswith(".py"))


def written(tree: dict[str, str], folder: Path) -> tuple[Path, Path]:
    """(script, package root) of a tree written to a folder; another folder for every tree, since trees are cached."""
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "script.py", folder / "lib"


@pytest.fixture
def changed(tmp_path):
    """changed(file, old, new): does the fingerprint differ once `old` in a file has become `new`?"""

    def differs(file: str, old: str, new: str) -> bool:
        assert old in PACKAGE[file]
        edited = PACKAGE | {file: PACKAGE[file].replace(old, new)}
        before, after = written(PACKAGE, tmp_path / "before"), written(edited, tmp_path / "after")
        return fingerprint(*before) != fingerprint(*after)

    return differs


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lib/direct.py", "# as it says", "# two"),
        ("lib/direct.py", '"""Twice x."""', '"""Two times x.\n\n    And no more.\n    """'),
        ("lib/direct.py", '    """Twice x."""\n', ""),
        ("lib/direct.py", '"""Twice."""\n\n', ""),
        ("lib/direct.py", '"""Nothing."""', '"""Nothing at all."""'),
        ("lib/direct.py", "factor * x", "(\n        factor\n        * x\n    )"),
        ("lib/stages/work.py", '"""Works."""\n', '"""Works."""\n# for a living\n\n\n\n'),
        ("script.py", "\n\nwork(1)", "\n# now\nwork( 1 )"),
        ("lib/schema.py", "How many steps are taken.", "The number of steps, each a call of the model."),
        ("lib/schema.py", 'f"From {1} "\n        "up."', '"More is closer to the class."'),
        ("lib/schema.py", ', description="How many steps are taken."', ""),
        ("lib/schema.py", 'Field(0, title="The seed.")', 'Field(0, title="The seed.", description="Any number.")'),
    ],
)
def test_comments_docstrings_descriptions_of_keys_and_layout_change_nothing(changed, file, old, new):
    assert not changed(file, old, new)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "work(1)", "work(2)"),
        ("lib/direct.py", "factor * x", "x * factor"),
        ("lib/transitive.py", "2", "3"),
        ("lib/stages/near.py", "base\n\none = base", "base\n\none = base + 1"),
        ("lib/stages/beside.py", "2", "3"),
        ("lib/above.py", "1", "2"),
        ("lib/lazy.py", "return x", "return -x"),
        ("lib/lazy.py", "print(x)", "print(-x)"),
        ("lib/dotted/deep.py", "1", "2"),
        ("lib/dotted/__init__.py", "1", "2"),
        ("lib/named.csv", "1", "2"),
        ("lib/schema.py", "Field(50", "Field(40"),
        ("lib/schema.py", "ge=1", "ge=2"),
        ("lib/schema.py", "default=4.0", "default=5.0"),
        ("lib/schema.py", "The seed.", "A seed."),
        ("lib/schema.py", "One sampler.", "A sampler."),
        ("lib/schema.py", "A text of its own.", "Another text."),
    ],
    ids=lambda text: text if text.startswith(("lib/", "script.")) else "",
)
def test_code_reached_directly_transitively_relatively_or_inside_a_function_changes_it(changed, file, old, new):
    assert changed(file, old, new)


def test_string_that_is_no_docstring_counts(changed):
    assert changed("lib/transitive.py", "factor = 2\n", "factor = 2\n'not a docstring'\n")


@pytest.mark.parametrize("file", ["lib/unreached.py", "lib/other.csv"])
def test_what_no_module_reaches_or_names_changes_nothing(changed, file):
    assert not changed(file, "1", "2")


def test_place_of_the_package_changes_nothing(tmp_path):
    here, there = written(PACKAGE, tmp_path / "here"), written(PACKAGE, tmp_path / "else" / "where")
    assert fingerprint(*here) == fingerprint(*there)


def test_reachable_is_every_imported_module_and_the_packages_around_it(tmp_path):
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in REACHED}
    assert reachable(*written(PACKAGE, tmp_path)) == modules


def test_missing_script_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        fingerprint(tmp_path / "none.py")


def test_what_was_parsed_is_kept_for_this_version_of_the_reading_alone(tmp_path, monkeypatch):
    """Else a newer Retort would go on with what an older one took for the code, until somebody removes the file."""
    memory = tmp_path / "memory" / "kept.json"

    def of_kept(place: str) -> dict[str, str]:
        """The fingerprint where every hash of the file has become another one, on paths that were not read yet."""
        monkeypatch.setattr(reader, "_parsed", {})
        memory.write_text(json.dumps({key: ["other", names] for key, (_, names) in json.loads(kept).items()}))
        return fingerprints([written({"script.py": "value = 1\n"}, tmp_path / place)[0]], memory)

    right = fingerprints([written({"script.py": "value = 1\n"}, tmp_path / "first")[0]], memory)
    kept = memory.read_text()
    assert of_kept("same") != right
    monkeypatch.setattr(reader, "_READER", b"another version")
    assert of_kept("changed") == right


# ---------------------------------------------------------------- the real library


def test_tables_of_classes_count_where_they_are_read():
    layouts = reader.PACKAGE_ROOT / "parts" / "layouts"
    named = {
        layout: {table.name for table in tables(layouts / f"{layout}.py")}
        for layout in ("imagenet", "cifar10", "folder")
    }
    assert named == {"imagenet": {"imagenet_subsets.csv"}, "cifar10": {"cifar_classes.csv"}, "folder": set()}
    assert {table.name for table in tables(layouts / "fashion_mnist.py")} == {"train.parquet", "validation.parquet"}
    assert tables(STAGES["build_manifest"]) == tables(STAGES["train_students"]) == set()


def reached_by(stage: str) -> set[str]:
    return reachable(STAGES[stage])


def test_how_folders_are_listed_and_refused_counts_only_where_images_are_listed():
    """Every job reads the manifest, whose module must therefore not reach them."""
    listing = {"retort.data.layouts.listing", "retort.data.layouts.instead"}
    readers = {name for name, module in STAGES.items() if listing & reachable(module)}
    assert readers == {"build_manifest", "export_images", "import_set", "import_labels"}


def test_students_do_not_depend_on_sampling_nor_inversion_on_protocols():
    students, inversion = reached_by("train_students"), reached_by("invert_latents")
    assert "retort.evaluation.student" in students
    assert "retort.methods.ddim" not in students
    assert "retort.methods.ddim" in inversion
    assert not {name for name in inversion if name.startswith("retort.evaluation")}


# What jobs compute with, or say of a name that is nearly right; not the schema and its cross-checks.
HARMLESS = {"retort.config.architectures", "retort.base.hints"}


@pytest.mark.parametrize("stage", STAGES)
def test_no_job_reruns_for_an_edit_of_the_config_schema_the_plan_or_how_jobs_are_run(stage):
    found = {name for name in reached_by(stage) if name.count(".") > 1}
    assert not [name for name in found if name.startswith(("retort.plan.", "retort.running."))]
    assert {name for name in found if name.startswith("retort.config.")} <= HARMLESS


def test_training_students_does_not_depend_on_how_sets_are_labelled():
    """An edit of the loop that labels views reruns labels; students rerun only where labels come out otherwise."""
    students = reached_by("train_students")
    assert "retort.artifacts.labels" in students
    assert not {name for name in students if name.startswith("retort.stages.")}
