"""docs/architecture.md names floors, rules and files that are there."""

import re
from pathlib import Path

from tests.unit.house.test_layers import FLOORS

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "workflow" / "retort"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PATH = re.compile(r"`([\w./-]+\.(?:py|smk|yaml|csv)|[\w./-]+/)`")


def test_the_floors_of_the_page_are_those_that_the_tests_hold():
    table = re.findall(r"^\| (\d) \| `(\w+)` \|", PAGE, re.M)
    assert {name: int(floor) for floor, name in table} == FLOORS
    assert [int(floor) for floor, _ in table] == sorted(FLOORS.values())


def way() -> list[str]:
    return re.findall(r"^\d+\. .*", PAGE.split("## The way of one image")[1].split("\n## ")[0], re.M)


def test_the_way_of_an_image_has_ten_lines_that_name_rules_and_their_files():
    assert len(way()) == 10
    for line in way():
        rule, file = re.match(r"\d+\. `(\w+)` \(`(rules/\w+\.smk)`", line).groups()
        assert re.search(rf"^rule {rule}:", (ROOT / file).read_text(), re.M), line


def made_by_a_run(path: str) -> bool:
    """Whether a path of the page is one of a run's artifacts, below results/."""
    made = {"inversion", "latents", "starts", "generated", "distilled", "labels", "students", "results"}
    return path.split("/")[0] in made


def test_every_file_that_the_page_names_is_there():
    paths = {path for path in PATH.findall(PAGE) if not made_by_a_run(path)}
    assert len(paths) > 30
    assert {path for path in paths if not ((ROOT / path).exists() or (LIBRARY / path).exists())} == set()
