"""All messages of the bad-input suite at once: each has a place, a finding and a remedy, and each is of a case."""

import re

import pytest

from tests.survive import test_bad_artifacts as artifacts
from tests.survive import test_bad_configs as configs
from tests.survive import test_bad_input as inputs
from tests.survive import test_bad_parts as parts
from tests.unit.config.test_config import BAD, edited, mistakes

from .messages import Answer, check, read

ANSWERS: dict[str, Answer] = {
    f"{group}: {case}": answer
    for group, cases in {
        "configs": configs.CONFIGS,
        "config files": configs.FILES,
        "default config": configs.DEFAULTS,
        "targets": configs.TARGETS,
        "images": inputs.IMAGES,
        "folders": inputs.FOLDERS,
        "models": inputs.MODELS,
        "sets made elsewhere": inputs.SETS,
        "parts": parts.PARTS,
        "parts at work": parts.WORKING,
    }.items()
    for case, (_, answer) in cases.items()
}
ANSWERS["images: unreadable"] = inputs.UNREADABLE
ANSWERS |= {f"artifacts: {artifacts.named(case)}": artifacts.answer_of(case) for case in artifacts.CASES}


def name_of(path: str, value: object) -> str:
    return f"{path}: {'taken out' if not isinstance(value, str | int | float | list | dict | None) else value!r}"


MISTAKES = {name_of(path, value): (path, value, place) for path, value, place, _ in BAD}

FINDING = re.compile(
    r"found |missing|unknown key|is called|nothing follows|the name |named twice|taken by|stop \d+|norm_groups \d+|"
    r"with generate, select|starts from|stops at"
)
REMEDY = re.compile(
    r"\bmust\b|allowed: \w|did you mean|\bgive\b|\bsay\b|leave|name the same|lower|choose another|in quotes|needed|"
    r"there are|define one|name each once|missing: \w"
)


def test_every_message_that_is_written_down_is_of_a_case_and_every_case_has_one():
    assert set(read()) == {*ANSWERS, *(f"mistakes: {case}" for case in MISTAKES)}


@pytest.mark.parametrize("case", ANSWERS)
def test_every_message_says_place_finding_and_remedy(case, count):
    """Pieces of their own: what was found is not said again as what would be right."""
    message, answer = read()[case], ANSWERS[case]
    assert answer.lacks(message) == [], message
    assert len({*answer}) == 3
    assert answer.remedy not in answer.finding
    assert answer.finding not in answer.remedy
    count("messages with place, finding and remedy")


@pytest.mark.parametrize("case", MISTAKES)
def test_every_mistake_of_the_config_says_place_finding_and_remedy(case, count):
    path, value, place = MISTAKES[case]
    [(where, text)] = mistakes(edited((path, value)))
    finding, remedy = FINDING.search(text), REMEDY.search(text)
    assert finding, text
    assert remedy, text
    check("mistakes", case, f"{where}: {text}", Answer(place, finding[0], remedy[0]))
    count("messages with place, finding and remedy")
