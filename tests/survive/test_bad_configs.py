"""Bad configs, config files and targets: one clear error each, before anything runs."""

from collections.abc import Callable

import pytest

from retort.base.errors import RetortError
from tests.helpers.small_datasets import plan_of
from tests.helpers.workspace import Workspace, smoke_config

from .messages import Answer, check, said_by_snakemake, without_machine

# ---------------------------------------------------------------- configs


def setting(path: str, value) -> Callable[[dict], None]:
    def edit(config: dict) -> None:
        *tables, key = path.split("/")
        for name in tables:
            config = config[int(name) if name.isdigit() and isinstance(config, list) else name]
        config[key] = value

    return edit


CONFIGS = {
    "a text for a number": (
        setting("inversions/ddim/steps", "many"),
        Answer("inversions.ddim.steps", "found 'many'", "must be a whole number"),
    ),
    "a list for a table": (setting("models", []), Answer("- models:", "found []", "must be a table")),
    "steps out of range": (
        setting("inversions/ddim/steps", 1),
        Answer("inversions.ddim.steps", "found 1", "must be at least 2"),
    ),
    "a share above one": (
        setting("typicalities/default/high", 7),
        Answer("typicalities.default.high", "found 7", "must be at most 1"),
    ),
    "not a number": (
        setting("protocols/hard/optimizer/lr", float("nan")),
        Answer("protocols.hard.optimizer.lr", "found nan", "must be a finite number"),
    ),
    "an unknown key": (
        setting("methods/d3hr/generate/guidence", 3),
        Answer("methods.d3hr.generate", "unknown key 'guidence'", "did you mean 'guidance'?"),
    ),
    "an unknown kind of data": (
        setting("dataset/kind", "cifar"),
        Answer("dataset.kind", "found 'cifar'", "must be 'cifar10' or 'cifar100' or 'digits'"),
    ),
    "an unknown teacher": (
        setting("protocols/soft/labels/teacher", "resent"),
        Answer("protocols.soft.labels.teacher", "no teacher is called 'resent'", "did you mean 'resnet'?"),
    ),
    "an unknown model": (
        setting("methods/dit/generate/model", "dti"),
        Answer("methods.dit.generate.model", "no diffusion model is called 'dti'", "did you mean 'dit'?"),
    ),
    "an unknown architecture": (
        setting("runs/0/students", ["resnet7"]),
        Answer("runs[0].students", "no architecture is called 'resnet7'", "did you mean 'resnet8'?"),
    ),
    "an unknown class": (
        setting("dataset/classes", ["0", "ten"]),
        Answer("dataset.classes", "no class ten", "they are '0' to '9'"),
    ),
    "a class twice": (
        setting("dataset/classes", ["0", "0"]),
        Answer("dataset.classes", "named twice: 0", "name each once"),
    ),
    "a path for a class": (
        setting("dataset/classes", ["0", "../1"]),
        Answer("dataset.classes", "'../1' cannot name a folder", "has no slash"),
    ),
    "a path for a name": (
        setting("dataset/name", "../elsewhere"),
        Answer("dataset.name", "found '../elsewhere'", "must be made of letters, digits"),
    ),
    "a path for a method": (
        setting("methods/..%2Fx", {"select": "all"}),
        Answer("- methods:", "the name '..%2Fx'", "must be made of letters, digits"),
    ),
    "a method called like a target": (
        setting("methods/all", {"select": "all"}),
        Answer("methods.all", "this name is taken by a target", "choose another than all, fetch"),
    ),
    "no runs": (setting("runs", []), Answer("- runs:", "found []", "must have at least one entry")),
    "no seeds": (setting("runs/0/seeds", 0), Answer("runs[0].seeds", "found 0", "must be at least 1")),
    "no images per class": (setting("runs/0/ipc", [0]), Answer("runs[0].ipc[0]", "found 0", "must be at least 1")),
    # A pool is counted in sets, so it cannot be smaller than one.
    "a pool smaller than the set": (
        setting("methods/cao2/generate/pool", 0),
        Answer("methods.cao2.generate.pool", "found 0", "must be at least 1"),
    ),
    "a pool of half a set": (
        setting("methods/cao2/generate/pool", 0.5),
        Answer("methods.cao2.generate.pool", "found 0.5", "must be a whole number"),
    ),
    "an inversion past its end": (
        setting("inversions/ddim/stop", 10),
        Answer("inversions.ddim", "stop 10", "must be less than steps 10"),
    ),
    "a start of another model": (
        setting("methods/d3hr/generate/start/inversion", "x"),
        Answer("methods.d3hr.generate.start.inversion", "no inversion is called 'x'", "allowed: ddim"),
    ),
    "a stage without settings": (
        setting("methods/cao2/refine", None),
        Answer("methods.cao2.refine", "nothing follows", "give its settings ({}: defaults), or leave the key out"),
    ),
    "yes for a number": (setting("runs/0/seeds", True), Answer("runs[0].seeds", "found True", "must be a number")),
    "no number for a list of two": (
        setting("protocols/soft/views/crop", [0.5]),
        Answer("protocols.soft.views.crop[1]", "found [0.5]", "must have more entries"),
    ),
    "no folder of images": (
        setting("dataset", {"kind": "folder", "name": "mine", "resolution": 32}),
        Answer("dataset.path", "missing", "images are in this folder"),
    ),
    "no teacher where one is needed": (
        setting("teachers", {}),
        Answer("protocols.soft.labels.teacher", "no teacher is called 'resnet'", "define one"),
    ),
    "a set made elsewhere that is also sampled": (
        setting("methods/dit/images", "theirs"),
        Answer("methods.dit", "there is nothing to generate", "leave generate out, or images"),
    ),
    "a licence of no set": (
        setting("methods/dit/licence", "mit"),
        Answer("methods.dit", "licence says something of a set that", "give images, or leave it out"),
    ),
    "a set made elsewhere for another ipc": (
        setting("methods/random", {"images": {7: "theirs"}}),
        Answer("methods.random.images", "gives a set for ipc 7, but runs[0] asks for ipc 2", "add it"),
    ),
    "an unknown meaning of values": (
        setting("methods/random", {"images": "theirs", "values": "unti"}),
        Answer("methods.random.values", "found 'unti'", "must be unit, signed, imagenet, bytes"),
    ),
    "an unknown leave for fewer images": (
        setting("methods/random", {"images": "theirs", "ipc": "all"}),
        Answer("methods.random.ipc", "found 'all'", "must be 'any'"),
    ),
    "no path of a set made elsewhere": (
        setting("methods/random", {"images": None}),
        Answer("methods.random", "images: nothing follows", "give generate, select, compose or images"),
    ),
    "extends a missing file": (
        setting("extends", "nowhere.yaml"),
        Answer("extends", "no file 'nowhere.yaml'", "its path starts where snakemake is started"),
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_bad_config_is_told_before_anything_runs(case, count):
    edit, answer = CONFIGS[case]
    config = smoke_config()
    edit(config)
    with pytest.raises(RetortError) as error:
        plan_of(config)
    check("configs", case, str(error.value), answer)
    count("bad input: configs, answered")


FILES = {
    "a key twice": (
        "seed: 0\nmethods:\n  a: {select: all}\n  a: {select: random}\n",
        Answer("experiment.yaml: line 4", "'a', which line 3 has given already", "leave one of them out"),
    ),
    "a circle": (
        "extends: mine.yaml\n",
        Answer("extends", "mine.yaml is a circle", "one of them must extend nothing"),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_config_file_ends_snakemake_with_its_line(tmp_path, case, count):
    text, answer = FILES[case]
    workspace = Workspace.fresh(tmp_path / "workspace", smoke_config())
    (workspace.folder / "mine.yaml").write_text(text)
    (workspace.folder / "experiment.yaml").write_text(text)
    output = workspace.run("--dry-run", "--cores", "1", succeeds=False)
    assert not workspace.results().exists()
    check("config files", case, without_machine(said_by_snakemake(output), workspace=workspace.folder), answer)
    count("bad input: configs, answered")


DEFAULTS = {
    "a tab": (
        "seed: 0\nmethods:\n\ta: 1\n",
        Answer("config.yaml is no YAML: line 3, column 1", "'\\t'", "with spaces"),
    ),
    "no YAML": (
        "seed: [1\n",
        Answer("config.yaml is no YAML: line 2, column 1", "expected ',' or ']'", "close brackets"),
    ),
    "no table": ("- 1\n- 2\n", Answer("config.yaml", "found [1, 2]", "a table of keys at its top level")),
    "nothing": ("", Answer("config.yaml", "found nothing", "a table of keys at its top level")),
    "no file": (None, Answer("config.yaml", "there is no", "name a config: snakemake --cores 2 all --configfile")),
}


@pytest.mark.parametrize("case", DEFAULTS)
def test_a_bad_default_config_ends_snakemake_with_its_line(tmp_path, case, count):
    """Of a config given with --configfile, Snakemake's own parser sees first what is no YAML (docs/running.md)."""
    text, answer = DEFAULTS[case]
    workspace = Workspace.fresh(tmp_path / "workspace", smoke_config())
    file = workspace.folder / "config.yaml"
    file.unlink() if text is None else file.write_text(text)
    output = workspace.run_default("--dry-run", "--cores", "1", succeeds=False)
    check("default config", case, without_machine(said_by_snakemake(output), workspace=workspace.folder), answer)
    count("bad input: configs, answered")


# ---------------------------------------------------------------- targets

SMOKE = "results/smoke"
TARGETS = {
    "a method misspelt": ("d3rh", Answer("d3rh", "no target has this name", "did you mean 'd3hr'?")),
    "a method in capitals": ("CAO2", Answer("CAO2", "no target has this name", "did you mean 'cao2'?")),
    "a method that is not there": ("minimax", Answer("minimax", "no target has this name", "targets: ")),
    "a file misspelt": (
        "results/acuracy.csv",
        Answer("results/acuracy.csv", "nothing in this config makes this file", "did you mean 'results/accuracy.csv'?"),
    ),
    "a folder misspelt": (
        "result/accuracy.csv",
        Answer("result/accuracy.csv", "nothing in this config makes this file", "did you mean 'results/accuracy.csv'?"),
    ),
    "another data set": (
        "results/digits/distilled/d3hr/ipc1",
        Answer("results/digits", "nothing in this config makes this file", "results/README.md says what"),
    ),
    "a config without its option": (
        "experiment.yaml",
        Answer(
            "experiment.yaml",
            "a config is given by --configfile",
            "snakemake --cores 2 all --configfile experiment.yaml",
        ),
    ),
}


@pytest.fixture(scope="module")
def planning(tmp_path_factory) -> Workspace:
    """A workspace in which nothing is run."""
    return Workspace.fresh(tmp_path_factory.mktemp("targets") / "workspace", smoke_config())


@pytest.mark.parametrize("case", TARGETS)
def test_a_wrong_target_is_answered_with_what_was_meant(planning, case, count):
    target, answer = TARGETS[case]
    output = planning.run("--dry-run", "--cores", "1", "--", target, succeeds=False)
    check("targets", case, said_by_snakemake(output), answer)
    count("bad input: targets, answered")


def test_right_targets_are_let_through_however_they_are_written(planning):
    planning.run("--dry-run", "--cores", "1", "--", "d3hr", "report_page", f"./{SMOKE}/distilled/random/ipc7/")
