"""Two configs side by side in one workflow that uses this one twice as a module, as docs/running.md shows it."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.helpers.workspace import REPOSITORY, Workspace, environment, smoke_config

PROFILE = ["--workflow-profile", "retort/profiles/default"]
SNIPPET = re.search(r"```python\n(module birds:.*?)```", (REPOSITORY / "docs" / "running.md").read_text(), re.DOTALL)[1]
BIRDS = smoke_config()
# Of the same name, so that only the prefix keeps them apart; of other classes and shards, and deterministic.
FLOWERS = BIRDS | {
    "seed": 7,
    "deterministic": True,
    "dataset": BIRDS["dataset"] | {"classes": ["3", "4", "5"], "shard_classes": 1},
}
CHEAP = ["results/smoke/students/random/ipc2/hard/resnet8", "results/figures/smoke/sets/random-ipc2.png"]
LOCAL = ["check_models", "fetch", "fetch_model", "fetch_teacher"]


class Parent(Workspace):
    """A workflow of somebody else's, with a clone of this one in its folder."""

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *PROFILE, *arguments]

    def planned(self, *targets: str) -> dict[str, int]:
        return self.listed(*targets)

    def write(self, snakefile: str, **configs: dict) -> None:
        (self.folder / "Snakefile").write_text(snakefile)
        (self.folder / "configs").mkdir(exist_ok=True)
        for name, config in configs.items():
            (self.folder / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture(scope="module")
def parent(tmp_path_factory) -> Parent:
    folder = tmp_path_factory.mktemp("parent")
    Workspace.fresh(folder / "retort", {})
    found = Parent(folder, {})
    found.write(SNIPPET, birds=BIRDS, flowers=FLOWERS)
    return found


def of_module(name: str, counts: dict[str, int]) -> dict[str, int]:
    return {f"{name}_{rule}": count for rule, count in counts.items()}


def below(prefix: str, paths: list[str]) -> list[str]:
    return [f"{prefix}/{path}" for path in paths]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, Workspace]:
    """Each config as this workflow runs it by itself."""
    home = tmp_path_factory.mktemp("alone")
    return {
        "birds": Workspace.fresh(home / "birds", BIRDS),
        "flowers": Workspace.fresh(home / "flowers", FLOWERS),
    }


def test_all_that_both_configs_want_is_planned_as_for_each_alone(parent, alone):
    targets = ["all", "report_page", "exports"]
    by_name = [f"{name}_{target}" for name in alone for target in targets]
    wanted = {}
    for name, workspace in alone.items():
        wanted |= of_module(name, workspace.planned(*targets))
    assert parent.planned(*by_name) == wanted
    # With the one target that the parent has of its own, and what nobody else plans with it.
    kept = {
        rule: n
        for rule, n in wanted.items()
        if not re.search("_(export_set|write_cards|exports|report_page|all)$", rule)
    }
    assert parent.planned() == kept | {"all": 1}


def test_every_path_of_a_module_lies_below_its_prefix(parent):
    output = parent.run("--dry-run", "--cores", "2", "--printshellcmds", "all", "birds_exports", "flowers_report_page")
    jobs = re.findall(r"^rule (birds|flowers)_\w+:\n((?: +.*\n)+)", output, re.M)
    assert {name for name, _ in jobs} == {"birds", "flowers"}
    for name, told in jobs:
        paths = re.findall(r"[^\s,:=]*results/[^\s,]*", told)
        assert paths
        assert [path for path in paths if not path.startswith(f"{name}/results/")] == [], told


def test_what_both_make_is_what_each_makes_alone_and_nothing_mixes(parent, alone):
    targets = [path for name in alone for path in below(name, CHEAP)]
    parent.run("--cores", "2", *targets)
    made = {}
    for name, workspace in alone.items():
        workspace.run("--cores", "2", *CHEAP)
        twin = Workspace(parent.folder / name, {})
        made[name] = twin.hashes()
        assert made[name] == workspace.hashes()
        assert {"smoke/classes.csv", "smoke/distilled/random/ipc2/manifest.csv"} < set(made[name])
        log = twin.results("smoke", "logs", "train_students", "random", "ipc2", "hard", "resnet8.log").read_text()
        assert f"retort: {name}_train_students method=random ipc=2 protocol=hard student=resnet8 on " in log
        assert ("with deterministic kernels only" in log) == (name == "flowers")
    assert made["birds"]["smoke/classes.csv"] != made["flowers"]["smoke/classes.csv"]
    assert made["birds"]["figures/smoke/sets/random-ipc2.png"] != made["flowers"]["figures/smoke/sets/random-ipc2.png"]
    assert not parent.results().exists()
    assert parent.planned(*targets) == {}

    # One config changes; the other's results stay, and the run says first which costly one will be replaced.
    benchmark = parent.folder / "birds" / "results" / "smoke" / "benchmarks" / "write_set" / "random" / "ipc2.tsv"
    head, row = benchmark.read_text().splitlines()
    benchmark.write_text("\n".join([head, "\t".join(["7200", *row.split("\t")[1:]])]) + "\n")
    parent.write(SNIPPET, birds=BIRDS | {"seed": 1})
    after = {"select_images": 1, "write_set": 1, "draw_contact_sheet": 1, "train_students": 1}
    assert parent.planned(*targets) == of_module("birds", after)
    output = parent.run("--cores", "2", *targets)
    said = "birds/results/smoke/distilled/random/ipc2 is finished and will be replaced, 2:00:00 of work last time"
    assert f"birds_write_set: {said}" in output
    changed = Workspace(parent.folder / "birds", {}).hashes()
    assert (
        changed["smoke/distilled/random/ipc2/manifest.csv"] != made["birds"]["smoke/distilled/random/ipc2/manifest.csv"]
    )
    assert Workspace(parent.folder / "flowers", {}).hashes() == made["flowers"]


def test_the_status_of_all_modules_is_shown(parent):
    command = [sys.executable, "retort/workflow/status.py", *PROFILE]
    done = subprocess.run(command, cwd=parent.folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stages = re.findall(r"^\| (\w+) ", done.stdout, re.M)
    assert {"birds_train_students", "flowers_train_students", "flowers_draw_accuracy"} <= set(stages)


def test_jobs_that_fetch_stay_where_snakemake_runs_under_any_name(parent):
    """No other job has a network: those that a cluster is given must not be these."""
    shown = '\nprint("local rules:", *sorted(workflow._localrules))\n'
    (parent.folder / "shown.smk").write_text(SNIPPET + shown)
    output = parent.run("--dry-run", "--snakefile", "shown.smk", f"birds/{CHEAP[0]}")
    wanted = [f"{name}_{rule}" for name in ("birds", "flowers") for rule in LOCAL]
    assert re.search("^local rules: (.*)$", output, re.M)[1].split() == wanted


VARIANTS = {
    "a prefix that is replaced": ('prefix: "birds"', 'replace_prefix: {"results/": "made/of/"}', "made/of/smoke/"),
    "no prefix": ('    prefix: "birds"\n', "", "results/smoke/"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_other_places_of_results(parent, variant):
    old, new, place = VARIANTS[variant]
    (parent.folder / "variant.smk").write_text(SNIPPET.replace(old, new))
    output = parent.run("--dry-run", "--snakefile", "variant.smk", f"{place}models/vae")
    told = re.search(r"^rule birds_train_vae:\n((?: +.*\n)+)", output, re.M)[1]
    assert set(re.findall(r" (\S*?)(?:pixels|models|logs|benchmarks)/", told)) == {place}


REFUSED = {
    "no config": (
        '    config: {"extends": "configs/birds.yaml"}\n',
        "",
        "module birds: a workflow that uses Retort as a",
    ),
    "a mistake in one of them": ("configs/flowers.yaml", "nowhere.yaml", "module flowers: extends: there is no file"),
    "two clones": (
        '"retort/Snakefile"\n    config: {"extends": "configs/f',
        '"other/Snakefile"\n    config: {"extends": "configs/f',
        "can use several modules of one clone of Retort, but not of two",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_module_is_refused_in_one_line_that_names_it(parent, case):
    old, new, words = REFUSED[case]
    assert SNIPPET.count(old) == 1
    if not (other := parent.folder / "other").exists():
        Workspace.fresh(other, {})
    (parent.folder / "refused.smk").write_text(SNIPPET.replace(old, new))
    output = parent.run("--dry-run", "--snakefile", "refused.smk", succeeds=False)
    assert words in output
    assert "Traceback" not in output
