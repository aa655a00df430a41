"""Bad parts that lie outside Retort: one clear error each, which names the file, and the line where there is one."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from retort.artifacts.choices import chosen_rows
from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.data.manifest import ClassEntry
from retort.methods.sampling import Sampling, sample
from retort.models.gaussian import GaussianDiffusion
from retort.parts import foreign
from retort.parts.resolve import part_of
from retort.parts.selections import Seen
from retort.running.job import job
from tests.helpers.fake_jobs import fake_job
from tests.helpers.workspace import REPOSITORY, smoke_config

from .messages import Answer, check, said_by_job, without_machine

EXAMPLE = REPOSITORY / "tests" / "example_parts" / "my_parts"


def select(**keys) -> dict:
    return {"select": keys}


def guided(guide) -> dict:
    return {"generate": {"model": "dit", "guide": guide}}


# In my_parts/, beside the example's parts: another file and its text, then the method that uses it.
PARTS = {
    "a folder that is not there": ((None, None, "random"), Answer("parts: ", "is no folder", "name one that holds")),
    "an unknown part": (
        ("", "", select(kind="laed", teacher="resnet")),
        Answer("methods.mine.select", "none of the selections is called 'laed'", "did you mean 'lead'?"),
    ),
    "an unknown part as a word": (
        ("", "", guided("hold_norm")),
        Answer("methods.mine.generate.guide", "none of the guides is called 'hold_norm'", "did you mean 'hold-norm'?"),
    ),
    "a part of another family": (
        ("", "", guided("lead")),
        Answer("my_parts/lead.py", "found Lead of the selections", "one part of the guides is wanted"),
    ),
    "an unknown key of a part": (
        ("", "", select(kind="lead", teacher="resnet", kepe="close")),
        Answer("methods.mine.select", "unknown key 'kepe'", "did you mean 'keep'?"),
    ),
    "a bad value of a part": (
        ("", "", guided({"kind": "hold-norm", "strength": 3})),
        Answer("methods.mine.generate.guide.strength", "found 3", "must be at most 1"),
    ),
    "a word for a number of a part": (
        ("", "", guided({"kind": "hold-norm", "size": "big"})),
        Answer("methods.mine.generate.guide.size", "found 'big'", "must be a number"),
    ),
    "yes for a number of a part": (
        ("", "", guided({"kind": "hold-norm", "size": True})),
        Answer("methods.mine.generate.guide.size", "found True", "must be a number"),
    ),
    "a part without its teacher": (
        ("", "", select(kind="lead")),
        Answer("methods.mine.select.teacher", "missing", "required"),
    ),
    "a part with an unknown teacher": (
        ("", "", select(kind="lead", teacher="resent")),
        Answer("methods.mine.select.teacher", "no teacher is called 'resent'", "did you mean 'resnet'?"),
    ),
    "a guide without guidance": (
        ("", "", {"generate": {"model": "dit", "guidance": 0, "guide": "hold-norm"}}),
        Answer("methods.mine", "which guidance 0 does not use", "raise guidance or leave guide out"),
    ),
    "a selection that looks at nothing": (
        (
            "blind.py",
            "from retort.parts.selections import Selection\n\n\nclass Blind(Selection):\n    pass\n",
            select(kind="blind"),
        ),
        Answer("methods.mine", "names neither", "add generate"),
    ),
    "a score of no crops": (
        (
            "blind.py",
            "from retort.parts.scores import Score\n\n\nclass Blind(Score):\n    pass\n",
            {"compose": {"score": {"kind": "blind"}}},
        ),
        Answer("methods.mine", "does not say which stage cuts its patches", "let its class be a CropScore"),
    ),
    "a syntax error": (
        ("broken.py", "import torch\n\nclass Broken(:\n", select(kind="broken")),
        Answer("my_parts/broken.py, line 3", "SyntaxError: invalid syntax", "methods.mine.select"),
    ),
    "a module that is not there": (
        ("broken.py", "\nimport nothing_of_this_name\n", select(kind="broken")),
        Answer("my_parts/broken.py, line 2", "ModuleNotFoundError", "No module named 'nothing_of_this_name'"),
    ),
    "an error while it is imported": (
        ("broken.py", "def half():\n    return 1 / 0\n\n\nhalf()\n", select(kind="broken")),
        Answer("my_parts/broken.py, line 2", "ZeroDivisionError", "division by zero"),
    ),
    "an error in a helper": (
        ("_broken.py", "x = 1\ny = x.z\n", select(kind="lead", teacher="resnet")),
        Answer("my_parts/_broken.py, line 2", "AttributeError", "'int' object has no attribute 'z'"),
    ),
    "no class": (
        ("broken.py", "from retort.parts.selections import Selection\n", select(kind="broken")),
        Answer("my_parts/broken.py", "found no part", "one part of the selections is wanted"),
    ),
    "two classes of one family": (
        (
            "broken.py",
            "from retort.parts.guides import Guide\n\n\nclass One(Guide):\n    pass\n\n\nclass Two(Guide):\n    pass\n",
            guided("broken"),
        ),
        Answer(
            "my_parts/broken.py",
            "found One of the guides, Two of the guides",
            "one part of the guides is wanted",
        ),
    ),
    "another name than its file's": (
        (
            "broken.py",
            "from retort.parts.guides import Guide\n\n\nclass One(Guide):\n    kind = 'sharper'\n",
            guided("broken"),
        ),
        Answer("my_parts/broken.py", "One calls itself 'sharper'", "leave its kind out and name its file so"),
    ),
    "the name of one of Retort's own": (
        (
            "random.py",
            "from retort.parts.selections import OfNames\n\n\nclass Random(OfNames):\n    pass\n",
            {"select": "random"},
        ),
        Answer("my_parts/random.py", "one of Retort's own selections is called 'random'", "rename the file"),
    ),
    "two files of one name": (
        ("hold-norm.py", "", guided("hold-norm")),
        Answer("parts: ", "have one name", "rename one of them"),
    ),
}


@pytest.fixture
def home(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "my_parts", ignore=shutil.ignore_patterns("__pycache__"))
    yield tmp_path
    foreign.look_in([])


@pytest.mark.parametrize("case", PARTS)
def test_a_bad_part_is_told_in_one_line_before_anything_runs(home, case, count):
    (name, text, method), answer = PARTS[case]
    folder = home / "my_parts"
    if name:
        (folder / name).write_text(text)
        if name == "_broken.py":
            (folder / "_helper.py").write_text("from ._broken import x\n")
    if name is None:
        shutil.rmtree(folder)
        method = {"select": "random"}
    config = smoke_config() | {"parts": [str(folder)]}
    config["methods"]["mine"] = method
    with pytest.raises(RetortError) as error:
        load_config(config)
    message = str(error.value)
    assert message.startswith("the config has a mistake:\n  - ")
    assert len(message.splitlines()) == 2, message
    check("parts", case, without_machine(message, home=home), answer)
    count("bad input: configs, answered")


# ---------------------------------------------------------------- what goes wrong while they work

HEAD = "from retort.parts.guides import Guide\nfrom retort.parts.selections import Chosen, Selection\n\n\n"


def choosing(body: str) -> str:
    return f"{HEAD}class Bad(Selection):\n    def choose(self, seen, count, seed):\n        {body}\n"


def pulling(body: str) -> str:
    return (
        f"{HEAD}class Bad(Guide):\n    def pull(self, course):\n"
        f"        return lambda latents, predicted, timestep, sigma: {body}\n"
    )


OF_CODE = "this is a mistake in the code of the"
WORKING = {
    "an exception in a selection": (
        choosing("return seen.logits[count, 0, 0]"),
        Answer("my_parts/bad.py, line 7", "IndexError", "the log of the job has the traceback"),
    ),
    "a selection that cannot choose": (
        choosing("raise ValueError('no image is green')"),
        Answer("class n01: <home>/my_parts/bad.py, line 7", "no image is", "green"),
    ),
    "a selection of too few": (
        choosing("return Chosen([0])"),
        Answer("class n01: the selection bad (<home>/my_parts/bad.py)", "keeps 1 images", OF_CODE),
    ),
    "a selection of one twice": (
        choosing("return Chosen([0, 0])"),
        Answer("class n01: the selection bad (<home>/my_parts/bad.py)", "1 of them different", OF_CODE),
    ),
    "a selection of what is not there": (
        choosing("return Chosen([0, 9])"),
        Answer("class n01: the selection bad (<home>/my_parts/bad.py)", "keeps image 9 of 3", OF_CODE),
    ),
    "a selection with a short column": (
        choosing("return Chosen([0, 1], {'margin': [1]})"),
        Answer("class n01: the selection bad (<home>/my_parts/bad.py)", "1 values of the column margin", OF_CODE),
    ),
    "an exception in a guide": (
        pulling("predicted / nothing"),
        Answer("my_parts/bad.py, line 7", "NameError: name 'nothing' is not defined", "the log of the job"),
    ),
    "a guide of another shape": (
        pulling("predicted[:1]"),
        Answer("the guide bad (<home>/my_parts/bad.py)", "shape (1, 3, 2, 2)", OF_CODE),
    ),
    "a guide of another precision": (
        pulling("predicted.half()"),
        Answer("the guide bad (<home>/my_parts/bad.py)", "torch.float16", OF_CODE),
    ),
    "a guide that is not finite": (
        pulling("predicted * (float('inf') if timestep < 500 else 1)"),
        Answer("the guide bad (<home>/my_parts/bad.py)", "not finite, from timestep 400 on", "mend its code"),
    ),
}


def work(part) -> None:
    """What a stage does with a selection, or a guide."""
    if part.family == "selections":
        seen = Seen(np.zeros((3, 2), np.float32), torch.zeros(3, 2), 0)
        chosen_rows(part, seen, ClassEntry(0, "n01", "tench"), 2, (0, "choice"))
        return
    model = GaussianDiffusion.random()
    condition, latents = model.condition([ClassEntry(i, f"n{i}", "x") for i in (0, 1)]), torch.ones(2, 3, 2, 2)
    sampling = Sampling(part_of("samplers", "ddim"), 10, None, 2.0, (part,))
    sample(model, condition, latents.double(), sampling, [0, 1], None, lambda: latents)


@pytest.mark.parametrize("case", WORKING)
def test_an_error_of_a_part_in_a_job_is_one_line_that_names_its_file(home, capsys, case, count):
    text, answer = WORKING[case]
    (home / "my_parts" / "bad.py").write_text(text)
    foreign.look_in([home / "my_parts"])
    part = part_of("guides" if "Bad(Guide)" in text else "selections", "bad")
    with pytest.raises(SystemExit) as ended, job(fake_job(home / "job.log", "some_stage")):
        work(part)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1, said
    log = Path(home / "job.log").read_text()
    assert log.splitlines()[-1] == said.strip()
    assert ("Traceback" in log) == (case.startswith("an exception") or case == "a selection that cannot choose")
    check("parts at work", case, without_machine(said_by_job(said), home=home), answer)
    count("bad input: parts, answered")
