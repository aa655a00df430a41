"""The layout of the code as `python -m bench.house` measures it: sizes, what is opened, what additions touched."""

import ast
import subprocess
from pathlib import Path

import pytest
from bench.house import __main__ as command
from bench.house.additions import ADDITIONS, UnknownCommit, naming, touched
from bench.house.definitions import Definitions, blocks
from bench.house.path import decides, files_of_rule
from bench.house.tree import ROOT, WORKING_TREE, code_of, extract, floor_of, glue, sizes

TREE = {
    "Snakefile": 'include: "rules/sets.smk"\n',
    "rules/common.smk": (
        '"""Names of all."""\n\nfrom retort.plan.plan import Plan\n\ntry:\n    plan = Plan(loaded())\nexcept OSError:\n'
        '    pass\n\nDATA = "results"\n\n\n'
        "def of(function, *names):\n    return lambda w: function(*(w[n] for n in names))\n\n\n"
        'set_side = of(plan.side_of, "method")\n'
    ),
    "rules/sets.smk": (
        'def starts(wildcards):\n    """The starts; none for noise."""\n'
        "    if plan.start_of(wildcards.method) is None:\n        return {}\n"
        '    return {"starts": path_of(shared_starts(wildcards))}\n\n\n'
        "def at_once(wildcards):\n    return 2 * plan.batch_of(wildcards.method)\n\n\n"
        'rule make_set:\n    input:\n        unpack(starts),\n    output:\n        images=DATA + "/images",\n'
        "    resources:\n        batch=at_once,\n    params:\n        side=set_side,\n"
        '    script:\n        "../workflow/run.py"\n\n\n'
        'rule other:\n    params:\n        unreached,\n    script:\n        "../workflow/run.py"\n'
    ),
    "rules/lookups/sets.smk": "@cache\ndef shared_starts(wildcards):\n    return wildcards.method\n",
    "rules/lookups/far.smk": "def unreached(wildcards):\n    return 1\n",
    "workflow/run.py": "from retort.running.call import call\n\ncall(snakemake)\n",
    "workflow/retort/__init__.py": "",
    "workflow/retort/running/call.py": "def call(job):\n    return 1 if job.params > 2 else job\n",
    "workflow/retort/base/files.py": "def whole_file(path):\n    return path * 2\n",
    "workflow/retort/plan/plan.py": (
        "from retort.plan.parts import Parts\nfrom retort.plan.batches import batch\n\n\nclass Plan(Parts):\n"
        "    def side_of(self, method):\n        return self.start_of(method)\n\n"
        "    def batch_of(self, method):\n        return batch(method) + 1\n"
    ),
    "workflow/retort/plan/parts.py": (
        "from retort.plan.owners import owner\n\n\nclass Parts:\n    def start_of(self, method):\n"
        "        return owner(method)\n\n    def never(self):\n        return 1 + 1\n"
    ),
    "workflow/retort/plan/owners.py": "def owner(method):\n    return method > 1\n",
    "workflow/retort/stages/sets/make_set.py": (
        "from retort.base.files import whole_file\nfrom retort.methods import scores as shown\n"
        "from retort.methods.pack import packed\nfrom retort.models.net import Net\n\n\n"
        "def make_set(images, net: Net | None):\n    whole_file(images)\n    return _own(net) + 1\n\n\n"
        "def _own(net: Net):\n    return packed(net.run(shown.rank()))\n"
    ),
    "workflow/retort/methods/pack.py": (
        "from retort.methods.deep import computed\n\n\ndef packed(x):\n    return {'x': computed(x)}\n"
    ),
    "workflow/retort/methods/deep.py": (
        "from retort.methods.deeper import more\n\n\ndef computed(x):\n    return more(x) if x > 1 else 2\n"
    ),
    "workflow/retort/methods/deeper.py": "def more(x):\n    return x + 1\n",
    "workflow/retort/methods/scores.py": "def rank():\n    return 1\n\n\ndef unused():\n    return 1 + 1\n",
    "workflow/retort/models/net.py": (
        "class Net:\n    def run(self, x):\n        return self._step(x)\n\n"
        "    def _step(self, x):\n        return x / 2\n"
    ),
}
OPENED = {
    "rules/sets.smk": False,
    "rules/common.smk": False,
    "rules/lookups/sets.smk": False,
    "workflow/run.py": False,
    "workflow/retort/running/call.py": False,  # the same for every rule
    "workflow/retort/plan/plan.py": False,  # what it decides, nothing on this path asks
    "workflow/retort/plan/parts.py": False,
    "workflow/retort/plan/owners.py": True,
    "workflow/retort/stages/sets/make_set.py": True,
    "workflow/retort/methods/pack.py": False,
    "workflow/retort/methods/deep.py": True,  # where the reader may stop
    "workflow/retort/methods/scores.py": False,
    "workflow/retort/models/net.py": True,
}


def written(folder: Path, tree: dict[str, str] = TREE) -> Path:
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


# ---------------------------------------------------------------- sizes


def test_floors_are_packages_rules_look_ups_and_scripts(tmp_path):
    code = code_of(written(tmp_path, {"workflow/retort/plan/notes.yaml": "a: 1\n", "docs/page.py": "1\n", **TREE}))
    assert code.keys() == TREE.keys()
    found = sizes(code)
    assert found["methods"] == (4, 5 + 5 + 2 + 6)
    assert found["look-ups apart"] == (2, 3 + 2)
    assert {floor for floor, (files, _) in found.items() if files == 1} >= {"running", "base", "stages", "models"}
    assert sum(lines for _, lines in found.values()) == sum(code.values())


def test_a_module_beside_the_packages_is_on_no_floor():
    assert floor_of("workflow/retort/errors.py") == "beside the packages"
    assert floor_of("workflow/retort/config/schema/data.py") == "config"
    assert floor_of("workflow/status.py") == "scripts"


def test_glue_is_rules_scripts_and_binder(tmp_path):
    code = code_of(written(tmp_path, {"workflow/status.py": "1\n", "workflow/scripts/make.py": "1\n2\n", **TREE}))
    rules = sum(lines for path, lines in code.items() if path.startswith("rules/") or path == "Snakefile")
    assert glue(code) == rules + 2 + code["workflow/run.py"] + code["workflow/retort/running/call.py"]


# ---------------------------------------------------------------- from a rule to its numbers


def test_a_rule_is_followed_by_look_ups_plan_script_and_stage_to_what_decides(tmp_path):
    assert files_of_rule(Definitions(written(tmp_path)), "make_set") == OPENED


def test_a_script_of_a_rule_of_its_own_leads_to_its_stage_under_any_name(tmp_path):
    script = (
        "from retort.running.job import job\nfrom retort.stages.make import make_all\n\n"
        "with job(snakemake):\n    make_all(images=snakemake.output.images)\n"
    )
    stage = TREE["workflow/retort/stages/sets/make_set.py"].replace("def make_set", "def make_all")
    tree = {name: text for name, text in TREE.items() if "make_set" not in name and "run" not in name}
    tree["rules/sets.smk"] = tree["rules/sets.smk"].replace("run.py", "scripts/make_set.py")
    more = {"workflow/retort/running/job.py": "def job(snakemake):\n    return snakemake\n"}
    more |= {"workflow/scripts/make_set.py": script, "workflow/retort/stages/make.py": stage}
    found = files_of_rule(Definitions(written(tmp_path, tree | more)), "make_set")
    assert found.keys() ^ OPENED.keys() == more.keys() | {
        "workflow/run.py",
        "workflow/retort/running/call.py",
        "workflow/retort/stages/sets/make_set.py",
    }
    assert {path for path in more if found[path]} == {"workflow/retort/stages/make.py"}


def test_what_decides_in_a_look_up_makes_its_file_deciding(tmp_path):
    one = TREE["rules/lookups/sets.smk"].replace("return wildcards.method", "return wildcards.number + 1")
    found = files_of_rule(Definitions(written(tmp_path, TREE | {"rules/lookups/sets.smk": one})), "make_set")
    assert {path for path in found if found[path] != OPENED[path]} == {"rules/lookups/sets.smk"}


def test_a_rule_that_is_nowhere_is_an_error(tmp_path):
    with pytest.raises(KeyError):
        files_of_rule(Definitions(written(tmp_path)), "make_sets")


@pytest.mark.parametrize(
    ("body", "deciding"),
    [
        ("return f(x=a.b, y={'z': [a]})", False),
        ("for x in a:\n        f(x)", False),
        ("return {k: f(v) for k, v in a.items()}", False),
        ("return [v for v in a if f(v)]", True),
        ("return f(a) if a else None", False),
        ("return f(a + 1) if a else None", True),
        ("return f(a) if a else g(a)", True),
        ("if a.b is None:\n        return {}\n    return f(a)", False),
        ("if a.b is None:\n        return {}\n    return a - 1", True),
        ("if a:\n        return f(a)\n    return {}", True),
        ("return DATA / 'models' / f(a)", False),
        ("return DATA / f'{a}'", False),
        ("return a / 2", True),
        ("return a | {'b': 1}", False),
        ("return a or 1", True),
        ("a.b += 1", True),
        ("return a == 'x'", True),
    ],
)
def test_a_function_decides_by_arithmetic_comparisons_and_branches(body, deciding):
    assert decides(ast.parse(f"def function(a):\n    {body}\n").body[0]) == deciding


def test_rule_files_are_cut_where_statements_begin():
    text = '@cache\ndef f():\n    """One.\n\nTwo."""\n    return 1\n\n\nX = [\n    1,\n]\n'
    text += "rule a:\n    input:\n        X,\n"
    assert [block.split("\n")[0] for block in blocks(text) if block] == ["@cache", "X = [", "rule a:"]


def test_every_rule_that_the_table_follows_leads_to_its_stage_here():
    for rule in command.FOLLOWED:
        files = files_of_rule(Definitions(ROOT), rule)
        (stage,) = [path for path in files if path.endswith(f"/{rule}.py")]
        assert stage.startswith("workflow/retort/stages/")
        assert any(path.startswith("rules/") for path in files)
        assert sum(files.values()) >= 4


# ---------------------------------------------------------------- what additions touched


@pytest.fixture
def history(tmp_path):
    """commit(files, moved={}): the commit of these files in a repository of the test's own."""
    root = tmp_path / "repository"
    root.mkdir()

    def git(*words: str) -> str:
        settings = ("-c", "user.name=A Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", *settings, *words], cwd=root, check=True, capture_output=True, text=True).stdout

    def commit(files: dict[str, str], moved: dict[str, str] | None = None) -> str:
        written(root, files)
        for old, new in (moved or {}).items():
            git("mv", old, new)
        git("add", "--all")
        git("commit", "-m", "A step")
        return git("rev-parse", "HEAD").strip()

    git("init", "--quiet")
    commit.root = root
    return commit


def test_an_addition_touches_code_alone_and_names_itself_in_some_of_it(history):
    history({"workflow/retort/a.py": "a = 1\n", "rules/a.smk": "A = 1\n", "workflow/retort/old.py": "b = 1\nc = 1\n"})
    changed = {
        "workflow/retort/a.py": "a = 1\nsampler = 'heun'\n",
        "workflow/retort/b.py": "b = 2\n",
        "rules/a.smk": "A = 2  # Heun\n",
        "workflow/retort/heun.py": "c = 2\n",
        "docs/heun.md": "heun\n",
        "tests/test_heun.py": "heun = 1\n",
        "workflow/schemas/config.schema.json": '{"heun": 1}\n',
    }
    commit = history(changed, moved={"workflow/retort/old.py": "workflow/retort/moved.py"})
    code = {"workflow/retort/a.py", "workflow/retort/b.py", "rules/a.smk", "workflow/retort/heun.py"}
    assert touched(commit, root=history.root) - {"workflow/retort/moved.py"} == code
    assert touched(commit, "heun", history.root) == code - {"workflow/retort/b.py"}


def test_a_commit_that_is_not_there_is_said_with_what_to_do(history):
    history({"workflow/retort/a.py": "a = 1\n"})
    with pytest.raises(UnknownCommit, match="no commit 1234567; fetch its whole history"):
        touched("1234567", root=history.root)


def test_comments_and_docstrings_do_not_name_a_part(tmp_path):
    tree = {
        "Snakefile": "",
        "workflow/retort/said.py": '"""Like DPM."""\n\n\ndef f():\n    """DPM."""\n    return 1  # DPM\n',
        "workflow/retort/string.py": 'kind = "dpm++"\n',
        "workflow/retort/dpm_solver.py": "",
        "rules/a.smk": "rule dpm:\n    input:\n        1,\n",
    }
    found = naming(written(tmp_path, tree), "dpm")
    assert found == {"workflow/retort/string.py", "workflow/retort/dpm_solver.py", "rules/a.smk"}


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.name)
def test_every_addition_of_the_table_is_still_in_the_code(addition):
    assert naming(ROOT, addition.pattern)


# ---------------------------------------------------------------- trees and the table


def test_a_revision_is_its_commit_and_the_working_tree_what_git_does_not_ignore(history, tmp_path):
    commit = history({"a.py": "1\n", ".gitignore": "results/\n"})
    written(history.root, {"a.py": "2\n", "new.py": "3\n", "results/made.csv": "4\n"})
    old = extract(commit, tmp_path / "old", history.root)
    now = extract(WORKING_TREE, tmp_path / "now", history.root)
    assert ((old / "a.py").read_text(), (now / "a.py").read_text()) == ("1\n", "2\n")
    assert {path.name for path in old.iterdir()} == {"a.py", ".gitignore"}
    assert {path.name for path in now.iterdir()} == {"a.py", ".gitignore", "new.py"}


def test_revisions_stand_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "FOLLOWED", ("make_set",))
    short = {name: text for name, text in TREE.items() if "lookups" not in name}
    trees = {"old": written(tmp_path / "old"), "new": written(tmp_path / "new", short)}
    assert "| look-ups apart | 2, 5 |  |" in command.floors(trees)
    assert f"| `make_set` | 13, {sum(OPENED.values())} | 12, {sum(OPENED.values())} |" in command.paths(trees)
    assert command.glues(trees).startswith("|  | old | new |")


def test_runs_alternate_and_the_first_of_each_does_not_count(tmp_path, monkeypatch):
    seconds = {"old": iter([9.0, 2.0, 4.0, 6.0]), "new": iter([99.0, 1.0, 2.0, 12.0])}
    order = []

    def timed(arguments, runs, tree):
        order.append(tree.name)
        return [next(seconds[tree.name])], ""

    monkeypatch.setattr(command, "timed", timed)
    table = command.planning({"before": tmp_path / "old", "after": tmp_path / "new"}, 3)
    assert order == ["old", "new"] * 4
    assert "| median, s | 4.00 | 2.00 |" in table
    assert "| ratio to before | 1.00 | 0.50 |" in table
