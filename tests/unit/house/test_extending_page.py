"""docs/extending.md shows the example repository as it is, and families and methods that there are."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from retort.parts import foreign
from retort.parts.resolve import FAMILIES

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "tests" / "example_parts" / "my_parts"
PAGE = (ROOT / "docs" / "extending.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_the_page_shows_each_file_of_the_example():
    assert sorted(blocks("python")) == sorted(file.read_text() for file in EXAMPLE.glob("*.py"))


def test_a_part_of_the_example_is_short():
    lines = {file.name: len(file.read_text().splitlines()) for file in foreign.files_in(EXAMPLE)}
    assert set(lines) == {"entropy.py", "hold_norm.py", "lead.py"}
    assert all(15 <= count <= 40 for count in lines.values()), lines


ROWS = re.findall(r"^\| `(\w+)`, `(\w+)` \| `([\w.]+)` \| (.*?) \|", PAGE, re.M)


@pytest.mark.parametrize(("family", "name", "place", "methods"), ROWS)
def test_each_family_asks_for_the_methods_of_the_page(family, name, place, methods):
    cls = getattr(import_module(f"retort.parts.{family}"), name)
    assert cls.family == family
    for method, arguments in re.findall(r"`(\w+)\((.*?)\)`", methods):
        found = [word for word in inspect.signature(getattr(cls, method)).parameters if word != "self"]
        assert arguments in ("...", ", ".join(found))


def test_every_family_that_may_come_from_outside_is_on_the_page():
    assert {family for family, *_ in ROWS} == set(FAMILIES) - {"compositions"}
