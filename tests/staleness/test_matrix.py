"""docs/staleness.md and .csv say what Snakemake says; and every key, rule and file of the library is in them."""

import ast
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from retort.base.files import write_json
from retort.config.load import load_config
from retort.data.classes import contents_stamp
from retort.data.manifest import COLUMNS
from retort.data.stamps import source_stamp
from retort.models.sources import model_files, teacher_files
from retort.plan.fingerprint import fingerprint
from retort.running import call
from tests.helpers.expected_reruns import CODE_CHANGES, CONFIG_CHANGES
from tests.helpers.workspace import smoke_config

from .changes import bases, key_changes
from .keys import every_key, key_at
from .matrix import STAGES, TARGETS, WORKFLOW, one_line_more
from .planning import built, changed, plan, reruns
from .tables import CELLS, PAGE, cells, page

REMEDY = "run `make staleness`, and read what has changed in docs/staleness.md before you commit it"

# ---------------------------------------------------------------- the tables


def test_the_table_is_what_snakemake_says(matrix, count):
    assert cells(matrix) == CELLS.read_text(), REMEDY
    assert page(matrix) == PAGE.read_text(), REMEDY
    count("rerun matrix: changes", matrix.cells() // len(matrix.rules))
    count("rerun matrix: rules", len(matrix.rules))
    count("rerun matrix: cells checked", matrix.cells())


def test_every_rule_that_makes_something_is_in_the_matrix(matrix):
    texts = [file.read_text() for file in (matrix.home / "rules").glob("*.smk")]
    called = {name for text in texts for name in re.findall(r'code=code_of\("(\w+)"', text)}
    planned = {job.stage for jobs in matrix.plans.values() for job in jobs.values()}
    assert planned == called == set(STAGES)
    assert set(matrix.rules) == {job.rule for jobs in matrix.plans.values() for job in jobs.values()}


def test_every_rule_names_the_arguments_of_the_function_of_its_stage(matrix, monkeypatch):
    monkeypatch.setattr(call, "purpose", lambda job: "of no job that runs")
    bound, misfits = set(), set()
    for base, config in bases().items():
        with built(matrix.home, config, (*TARGETS, *config["methods"])) as workflow:
            for job in (job for job in workflow.dag.jobs if job.rule.script):
                bound.add(job.rule.name)
                try:
                    call.arguments(call.stage(call.stage_name(job.params.code)), call.Names(job))
                except call.Misfit as misfit:
                    misfits.add(f"{base}, {job.rule.name}: {misfit}")
    assert misfits == set()
    assert bound == set(matrix.rules)


def test_every_key_of_the_config_is_changed_alone(matrix, monkeypatch):
    monkeypatch.chdir(matrix.home)  # where paths of configs start
    known, seen = every_key(), set()
    configs = {name: load_config(config) for name, config in bases().items()}
    for base, places, raw in key_changes():
        config = load_config(raw)
        assert config != configs[base], f"{places} has the value already"
        seen |= {key_at(config, place) for place in places.split(" + ")}
    assert len(known) > 200
    assert sorted({key for key, alone in known.items() if alone} - seen) == []
    assert seen <= known.keys()


PARTS = {  # what reruns first, and how many sets follow
    "a guide in a folder of `parts:`": ({"generate_images"}, 1),
    "a selection in a folder of `parts:`": ({"select_by_features"}, 1),
    "a score in a folder of `parts:`": ({"score_crops"}, 1),
    "a helper that this selection and this score import": ({"select_by_features", "score_crops"}, 2),
    "a comment or a docstring in a folder of `parts:`": (set(), 0),
    "a part of Retort's own, herding": ({"select_by_features", "choose_from_pool"}, 2),
    "the algorithm of herding": ({"select_by_features", "choose_from_pool"}, 2),
}


def test_an_edit_of_a_part_reruns_the_methods_that_use_it_and_no_other(matrix):
    rows = [row for row in matrix.edits["parts of methods"] if row.what in PARTS]
    assert {row.what for row in rows} == set(PARTS)
    for row in rows:
        assert (row.reruns.first, row.reruns.counts.get("write_set", 0)) == PARTS[row.what], row.what


ALSO = {"tabulate_accuracy": ["tabulate_method"], "train_students": ["train_one_student"]}  # rules of one stage


def test_every_stage_depends_on_its_own_module_and_none_on_how_jobs_are_run(matrix):
    for name, module in STAGES.items():
        assert matrix.code[module] == {name, *ALSO.get(name, [])}
    around = [file for file in matrix.code if (WORKFLOW / "retort" / "running") in file.parents]
    assert len(around) > 5
    assert {file.name for file in around if matrix.code[file]} == set()


# ---------------------------------------------------------------- what no change of one thing shows


def test_no_change_of_a_number_can_hide_behind_others(matrix):
    """Snakemake compares the set of a job's values. Of three bare numbers one could take another's value while the
    third has its own, and the set would stay the same."""
    numbers = {job.rule: job.numbers for planned in matrix.plans.values() for job in planned.values()}
    assert {rule: values for rule, values in numbers.items() if len(values) > 2} == {}


def test_comments_and_docstrings_rerun_nothing(tmp_path):
    copy = shutil.copytree(WORKFLOW, tmp_path / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    for file in copy.rglob("*.py"):
        lines = file.read_text().splitlines()
        docs = [n.body[0] for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Module | ast.FunctionDef)]
        for first in docs:
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                lines[first.lineno - 1] = lines[first.lineno - 1].replace('"""', '"""In other words: ', 1)
        file.write_text("# why\n" + "\n\n".join(lines[:1]) + "\n" + "\n".join(lines[1:]) + "\n# why\n")
    assert (copy / "retort" / "base/errors.py").read_text() != (WORKFLOW / "retort" / "base/errors.py").read_text()
    for module in STAGES.values():
        assert fingerprint(copy / module.relative_to(WORKFLOW), copy / "retort") == fingerprint(module)


@pytest.fixture
def elsewhere(matrix, monkeypatch):
    """elsewhere(folder): for the rest of the test it is not where the config says."""
    monkeypatch.chdir(matrix.home)  # where paths of configs start
    moved = []

    def move(folder: str) -> None:
        moved.append((Path(folder).rename(f"{folder}-moved"), folder))

    yield move
    for there, folder in moved:
        there.rename(folder)
    shutil.rmtree("results")


def test_images_that_are_not_there_have_not_changed(matrix, elsewhere):
    """As on a disk that is not mounted: nothing is thrown away that was made of them."""
    config = bases()["fetched"]
    config["dataset"]["classes"] = ["cat", "dog"]
    before = plan(matrix.home, config, ["all"])
    stamp = contents_stamp(load_config(config).dataset, config["dataset"]["classes"])
    elsewhere("images")
    missing = plan(matrix.home, config, ["all"])
    assert {missing[key].rule for key in changed(before, missing)} == {"build_manifest"}
    known = pd.DataFrame(columns=COLUMNS)
    known.attrs["made_of"] = {"data": stamp}
    manifest = Path("results/mine/manifest.parquet")
    manifest.parent.mkdir(parents=True)
    known.to_parquet(manifest)
    assert changed(before, plan(matrix.home, config, ["all"])) == set()


def test_models_and_teachers_whose_sources_are_gone_have_not_changed(matrix, elsewhere):
    """They were copied when they were fetched."""
    config, before = bases()["fetched"], matrix.plans["fetched"]
    fetched = {
        "sources/dit": ("models/dit", model_files("sources/dit", "dit", False)),
        "sources/original.pt": ("models/original", model_files("sources/original.pt", "dit", False)),
        "sources/teacher": ("fetched-teachers/loaded", teacher_files("sources/teacher")),
    }
    for source, (place, files) in fetched.items():
        stamp = source_stamp(source, files, Path("nowhere"))
        write_json(Path("results/mine", place, "origin.json"), {"source": source, "stamp": stamp})
    for source in fetched:
        elsewhere(source)
    after = plan(matrix.home, config, ["all", "fetch", *config["methods"]])
    assert changed(before, after) == set()
    shutil.rmtree("results/mine/models")
    after = plan(matrix.home, config, ["all"])
    assert {after[key].rule for key in changed(before, after)} == {"fetch_model"}


# ---------------------------------------------------------------- as in a real run


@pytest.fixture(scope="module")
def smoke(matrix):
    return plan(matrix.home, smoke_config(), ["all"])


def counted(planned: dict[str, int]) -> dict[str, int]:
    return {rule: count for rule, count in planned.items() if rule != "all"}


@pytest.mark.parametrize("change", CONFIG_CHANGES)
def test_a_change_of_the_config_agrees_with_the_finished_run(matrix, smoke, change):
    """test_staleness.py asks Snakemake the same of a run with all its results."""
    edit, expected = CONFIG_CHANGES[change]
    config = smoke_config()
    edit(config)
    after = plan(matrix.home, config, ["all"])
    assert reruns(after, changed(smoke, after)).counts == counted(expected)


@pytest.mark.parametrize("change", [name for name, (*_, expected) in CODE_CHANGES.items() if expected])
def test_a_change_of_code_agrees_with_the_finished_run(matrix, smoke, change):
    module, _, _, expected = CODE_CHANGES[change]
    with one_line_more(WORKFLOW / "retort" / module):
        after = plan(matrix.home, smoke_config(), ["all"])
    assert reruns(after, changed(smoke, after)).counts == counted(expected)
