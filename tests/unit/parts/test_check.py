"""`retort.parts.check`: the example repository passes, and a broken part of each kind fails where it is broken."""

from pathlib import Path

import pytest

from retort.base.words import counted
from retort.parts import check, foreign

EXAMPLE = Path(__file__).parents[2] / "example_parts" / "my_parts"

IMPORTS = """
import numpy as np
import torch
from pydantic import Field
from retort.parts.coverages import Coverage
from retort.parts.guides import Guide, SetGuide
from retort.parts.part import EncoderName, TeacherName
from retort.parts.rankings import Ranking
from retort.parts.refinements import Refinement
from retort.parts.samplers import Sampler
from retort.parts.scores import CropScore
from retort.parts.selections import Chosen, OfNames, Selection
from retort.parts.starts import Start
"""


def selection(body: str, more: str = "") -> str:
    key = '    teacher: TeacherName = Field(description="This teacher looks.")\n'
    return f"class P(Selection):\n{key}{more}    def choose(self, seen, count, seed):\n        {body}\n"


def sampler(step: str, grid: str = "range(steps - 1, -1, -1)") -> str:
    return (
        f"class P(Sampler):\n    def grid(self, alphas_cumprod, steps, first):\n        return list({grid})\n"
        "    def sample(self, latents, denoise, alphas_cumprod, steps, first, noise):\n"
        f"        for t in self.grid(alphas_cumprod, steps, first):\n            {step}\n        return latents\n"
    )


def guide(pulled: str, key: str = "") -> str:
    return (
        f"class P(Guide):\n{key}    def pull(self, course):\n"
        f"        def pulled(latents, eps, timestep, sigma):\n            {pulled}\n        return pulled\n"
    )


def set_guide(moved: str) -> str:
    return (
        'class P(SetGuide):\n    def acts_on(self):\n        return "latents"\n    def move(self, course):\n'
        f"        def move(latents, timestep, signal):\n            {moved}\n        return move\n"
    )


def refinement(body: str) -> str:
    return (
        "class P(Refinement):\n    def passes(self):\n        return 1\n"
        f"    def refined(self, model, latents, entries, draws, progress):\n        {body}\n"
    )


def ranking(body: str) -> str:
    key = '    encoder: EncoderName = Field(description="These are latents of this encoder.")\n'
    return f"class P(Ranking):\n{key}    def order(self, features, scores, seed):\n        {body}\n"


def score(body: str) -> str:
    return f"class P(CropScore):\n    def losses(self, logits, labels):\n        {body}\n"


def coverage(body: str) -> str:
    return f"class P(Coverage):\n    def cover(self, features, count, seed):\n        {body}\n"


STRENGTH = '    strength: float = Field(0.5, description="This is how strong it is.")\n'
SAME, COMPANY, DISTINCT = "twice", "differs by", "distinct"
BROKEN = {
    "a selection of one image many times": (selection("return Chosen([0] * count)"), DISTINCT),
    "a selection of one image too few": (selection("return Chosen(range(max(count - 1, 0)))"), DISTINCT),
    "a selection of images that are not there": (selection("return Chosen(range(5, 5 + count))"), DISTINCT),
    "a selection of the first images": (selection("return Chosen(range(count))"), "the order of the candidates"),
    "a selection by Python's common chance": (
        selection("return Chosen(np.random.permutation(len(seen.logits))[:count].tolist())"),
        "the same seed",
    ),
    "a selection that sorts in place": (selection("seen.logits.zero_(); return Chosen(range(count))"), "in place"),
    "a selection with a short column": (selection("return Chosen(range(count), {'a': []})"), "values of the column a"),
    "a selection that fails": (selection("return 1 / 0"), "ZeroDivisionError: division by zero"),
    "a selection by names that forgets some": (
        "class P(OfNames):\n    def order(self, image_ids, seed, dataset):\n        return [0]\n",
        "it orders all images",
    ),
    "a coverage of one row": (coverage("return [0] * count"), DISTINCT),
    "a coverage by common chance": (
        coverage("return np.random.permutation(len(features))[:count]"),
        "the same features and seed",
    ),
    "a coverage of the first rows": (coverage("return range(count)"), "the order of the rows"),
    "a guide that gives another shape": (guide("return eps[:1]"), "corrects predictions"),
    "a guide that ends in NaN": (guide("return eps * float('nan')"), "not finite"),
    "a guide that does nothing": (guide("return eps"), "no prediction is changed"),
    "a guide by the batch": (guide("return eps - 0.1 * latents.mean(0, keepdim=True)"), COMPANY),
    "a guide by common chance": (guide("return eps + 0.1 * torch.randn(eps.shape)"), "corrected in two ways"),
    "a guide whose strength is no strength": (guide("return eps + 1 + self.strength", STRENGTH), "strength 0"),
    "a guide that changes latents": (guide("latents.add_(1); return 2 * eps"), "in place"),
    "a guide of sets that does nothing": (set_guide("return None"), "no prediction is changed"),
    "a guide of sets by their order": (
        set_guide("return torch.arange(len(latents)).view(-1, 1, 1, 1) * latents"),
        "in another order",
    ),
    "a guide of sets that loses an image alone": (
        set_guide("return (latents - latents.mean(0)) / (len(latents) - 1)"),
        "a set of 1 is not finite",
    ),
    "a guide of sets by common chance": (
        set_guide("return torch.randn(latents.shape)"),
        "the same set is corrected in two ways",
    ),
    "a sampler that says it lets latents be moved": (
        sampler("latents = latents - 0.01 * denoise(latents, t)") + "    moves_latents = True\n",
        "latents may be moved at []",
    ),
    "a sampler with another grid": (sampler("denoise(latents, 0); latents = 0.5 * latents"), "and the model is asked"),
    "a sampler that ascends": (
        sampler("latents = latents - 0.01 * denoise(latents, t)", "range(steps)"),
        "does not descend",
    ),
    "a sampler that diverges": (sampler("latents = latents / 0 * denoise(latents, t)"), "not finite"),
    "a sampler that only asks": (sampler("denoise(latents, t)"), "samples of a known distribution"),
    "a sampler by the batch": (sampler("latents = latents - denoise(latents, t).mean()"), COMPANY),
    "a sampler by common chance": (
        sampler("latents = latents + 0.1 * torch.randn(latents.shape) * denoise(latents, t)"),
        "give two results",
    ),
    "a start of another size": (
        "class P(Start):\n    def latent(self, noise, drawn):\n        return noise()[:1]\n",
        "an image starts from its own noise",
    ),
    "a start by common chance": (
        "class P(Start):\n    def latent(self, noise, drawn):\n        return torch.randn(4, 4, 4)\n",
        "the same noise gives two latents",
    ),
    "a refinement that does nothing": (
        refinement("return latents.clone(), torch.zeros(len(latents), 1)"),
        "no latent moves",
    ),
    "a refinement by the batch": (
        refinement("return latents + latents.mean(), torch.zeros(len(latents), 1)"),
        COMPANY,
    ),
    "a refinement of too few losses": (refinement("return latents + 1, torch.zeros(len(latents))"), "losses (3,)"),
    "a score by the batch": (score("return (logits - logits.mean(0)).sum(1).float()"), COMPANY),
    "a score of infinity": (score("return torch.full((len(logits),), torch.inf)"), "not finite"),
    "a score of one number": (score("return logits.mean().float()"), "it scores each crop"),
    "a ranking that forgets some": (
        ranking("return np.zeros(len(scores), dtype=int), np.zeros(len(scores), dtype=int)"),
        "is no order",
    ),
    "a ranking without clusters": (ranking("return np.argsort(scores), np.zeros(1)"), "(n,) int64"),
    "a key without a sentence": (
        "class P(Start):\n    size: float = 1.0\n    def latent(self, noise, drawn):\n        return noise()\n",
        "no sentence describes size",
    ),
    "a key that must be given": (
        guide("return eps + self.strength", STRENGTH.replace("0.5, ", "")),
        "strength Field required; give such keys in `examples`",
    ),
    "no class": ("x = 1\n", "no class of a family"),
    "two classes": (score("return 1") + score("return 2").replace("class P", "class Q"), "one part of the scores"),
    "a syntax error": ("class P(:\n", "line 15: SyntaxError"),
    "a missing module": ("import nothing_of_the_kind\n", "line 15: ModuleNotFoundError"),
    "another name": ("class P(Start):\n    kind = 'other'\n", "calls itself 'other'"),
}


def checked(folder: Path, capsys) -> tuple[int, list[str]]:
    status = check.main([str(folder)])
    return status, capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def no_parts():
    yield
    foreign.look_in([])


def test_what_is_no_choice_is_said_by_its_kind(tmp_path):
    (tmp_path / "lists.py").write_text(IMPORTS + selection("return list(range(count))"))
    assert any(
        "it gives a list, where Chosen(members, columns) is wanted" in str(line)
        for line in check.check_folder(tmp_path)
    )


def test_the_example_passes(capsys):
    status, lines = checked(EXAMPLE, capsys)
    assert status == 0
    assert lines[-1] == f"{len(lines) - 1} checks, all ok"
    assert all(line.startswith("ok     ") for line in lines[:-1])
    assert {line.split()[1].rstrip(":") for line in lines[:-1]} == {
        *("guides/hold-norm", "selections/lead", "scores/entropy")
    }
    for promise in ("strength 0 changes nothing", "distinct candidates", "scores each crop by itself"):
        assert any(promise in line for line in lines), promise


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_part_fails_and_says_what_was_found(tmp_path, capsys, case):
    source, said = BROKEN[case]
    folder = tmp_path / "broken_parts"
    folder.mkdir()
    (folder / "bad_one.py").write_text(IMPORTS + "\n" + source)
    status, lines = checked(folder, capsys)
    failed = [line for line in lines if line.startswith("FAILED ")]
    assert status == 1
    assert any(said in line for line in failed), lines
    assert all("bad_one" in line or "bad-one" in line for line in failed)
    assert lines[-1] == f"{counted(len(lines) - 1, 'check')}, {len(failed)} FAILED"


def test_an_error_of_a_part_names_its_file_and_line(tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "bad_one.py").write_text(IMPORTS + selection("return 1 / 0"))
    line = len(IMPORTS.splitlines()) + 4
    _, lines = checked(folder, capsys)
    assert f"{folder / 'bad_one.py'}, line {line}: ZeroDivisionError: division by zero" in "\n".join(lines)


def test_ours_are_checked_where_no_folder_is_named(capsys):
    assert check.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("samplers/" in line for line in lines) > 10
    assert lines[-1] == f"{len(lines) - 1} checks, all ok"


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_parts_fails(tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "_helper.py").write_text("")
    status, lines = checked(tmp_path / name, capsys)
    assert status == 1
    assert lines[0].startswith("FAILED")
    assert name in lines[0]
