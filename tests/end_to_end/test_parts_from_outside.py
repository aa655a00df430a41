"""Sets made by parts that lie outside Retort, in a folder and in an installed package: one small run, then edits."""

import shutil

import pytest

from retort.base.files import read_json, read_rows
from tests.helpers.packaged_part import install
from tests.helpers.workspace import REPOSITORY, Workspace, smoke_config

EXAMPLE = REPOSITORY / "tests" / "example_parts" / "my_parts"
SETS = {"held": "hold_norm", "clear": "lead", "sure": "entropy", "near": "nearest"}


def config() -> dict:
    """The smoke config's models, trained for fewer steps yet, its teacher, and a method for each part."""
    usual = smoke_config()
    for model in usual["models"].values():
        model["train"]["steps"] = 4
    generate = {"model": "dit", "steps": 4, "guidance": 2.0}
    methods = {
        "plain": {"generate": generate},
        "held": {"generate": generate | {"guide": {"kind": "hold-norm", "strength": 1.0}}},
        "clear": {"select": {"kind": "lead", "teacher": "resnet"}},
        "sure": {"compose": {"score": {"kind": "entropy", "teacher": "resnet", "images": 20}}},
        "near": {"select": {"kind": "nearest", "encoder": "vae"}},
    }
    run = {"methods": list(methods), "ipc": [1], "protocols": ["hard"], "students": ["resnet8"], "seeds": 1}
    kept = {key: usual[key] for key in ("seed", "dataset", "models", "teachers", "protocols")}
    return kept | {"parts": ["my_parts"], "methods": methods, "runs": [run]}


TARGETS = ["--", *(f"results/smoke/distilled/{method}/ipc1" for method in ("plain", *SETS))]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Workspace:
    home = tmp_path_factory.mktemp("outside")
    workspace = Workspace.fresh(home / "workspace", config())
    shutil.copytree(EXAMPLE, workspace.folder / "my_parts", ignore=shutil.ignore_patterns("__pycache__"))
    workspace.variables["PYTHONPATH"] = str(install(home / "site"))
    workspace.run("--cores", "2", *TARGETS)
    return workspace


def of_set(run: Workspace, method: str, name: str):
    return run.results("smoke", "distilled", method, "ipc1", name)


def test_each_part_makes_a_set_of_two_classes(run):
    for method in SETS:
        rows = read_rows(of_set(run, method, "manifest.csv"))
        assert len(rows) == 2, method
        assert all(of_set(run, method, row["file"]).exists() for row in rows)
    assert {"lead"} <= set(read_rows(of_set(run, "clear", "manifest.csv"))[0])


def test_the_guide_guides(run):
    plain, held = (
        {n: h for n, h in run.hashes("smoke", "distilled", m).items() if "png" in n} for m in ("plain", "held")
    )
    assert plain.keys() == held.keys()
    assert all(plain[name] != held[name] for name in plain)


def test_the_text_of_a_part_and_of_its_helper_is_in_the_provenance_and_the_card_names_them(run):
    for method, stem in list(SETS.items())[:3]:
        [record] = [r for r in read_json(of_set(run, method, "provenance.json"))["parts"].values() if "files" in r]
        names = [f"my_parts/{stem}.py", *(["my_parts/_helper.py"] if stem != "hold_norm" else [])]
        assert list(record["files"]) == names
        assert all(text == (run.folder / name).read_text() for name, text in record["files"].items())
        card = of_set(run, method, "card.md").read_text()
        assert f"from {', '.join(names)}; " in card
        assert str(run.folder) not in card + str(record)


def test_of_a_package_its_name_and_version_are_recorded(run):
    part = read_json(of_set(run, "near", "provenance.json"))["parts"]["selections/nearest"]
    assert part["package"] == "nearby==1.2"
    assert "files" not in part
    assert "Code outside Retort: nearest of the selections, from the package nearby==1.2." in (
        of_set(run, "near", "card.md").read_text()
    )


@pytest.fixture
def edited(run):
    """edited(file, old, new): what a run would do now; the file is as before after the test."""
    kept = {}

    def edit(name: str, old: str, new: str) -> dict[str, int]:
        file = run.folder / name
        kept[file] = file.read_text()
        run.edit(name, old, new)
        return run.listed(*TARGETS)

    yield edit
    for file, text in kept.items():
        file.write_text(text)


def test_an_edit_of_the_guide_reruns_its_method_and_nothing_else(edited):
    assert edited("my_parts/hold_norm.py", "min=1e-6", "min=1e-5") == {"generate_images": 1, "write_set": 1}


def test_an_edit_of_the_helper_reruns_the_two_parts_that_import_it(edited):
    found = edited("my_parts/_helper.py", "logits.double()", "logits.double().clone()")
    assert found == {"select_by_features": 1, "score_crops": 1, "compose_mosaics": 1, "write_set": 2}


def test_an_edit_of_a_comment_reruns_nothing(edited):
    assert edited("my_parts/hold_norm.py", "# (N,): each image by its own size", "# each by itself") == {}


def test_another_version_of_the_package_reruns_its_method_and_nothing_else(run, tmp_path):
    before = dict(run.variables)
    run.variables["PYTHONPATH"] = str(install(tmp_path / "site", version="1.3"))
    assert run.listed(*TARGETS) == {"select_by_features": 1, "write_set": 1}
    run.variables.update(before)
