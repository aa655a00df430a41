"""What the README and the pages of docs/ say must be true."""

import re
from itertools import product
from pathlib import Path

import pytest
import yaml
from tests.helpers import method_map

from retort.config.load import load_config
from retort.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[3]
README, DEMO = (ROOT / "README.md").read_text(), (ROOT / "docs" / "demo.md").read_text()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("document", ["README.md", "docs/demo.md", "results/README.md", "bench/RESULTS.md"])
def test_make_commands_that_are_named_exist(document):
    named = set(re.findall(r"(?:^ +|`|time )make ([a-z][a-z-]*)", (ROOT / document).read_text(), re.M))
    assert named
    assert named <= make_targets(), named - make_targets()


def test_files_that_the_readme_names_are_there():
    paths = re.findall(r"\]\(([^)]+)\)", README) + re.findall(
        r"`((?:workflow|configs|results|tests|bench|envs|profiles)/[\w./-]+)`", README
    )
    made_later = {f"results/{name}" for name in ("accuracy.md", "report.html", "costs.csv", "scores.csv")}
    missing = [p for p in paths if p not in made_later and not (ROOT / p).exists()]
    assert len(paths) > 5
    assert missing == []


def test_the_readme_names_every_method_of_the_default_config():
    named = re.findall(r"`([\w-]+)`", README.split("## Methods")[1].split("##")[0])
    assert set(yaml.safe_load((ROOT / "config.yaml").read_text())["methods"]) <= set(named)


def test_the_readme_is_short_and_begins_with_the_time_of_the_demo():
    lines = README.splitlines()
    assert len(lines) <= 110
    assert any("make demo" in line and "minutes" in line for line in lines[:8])
    assert README.count("![") == 1


def table_between(text: str, name: str) -> list[list[str]]:
    """Cells of the table between two comments, its head first."""
    lines = text.split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->")[0].strip().splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith(("|:", "|-"))
    ]


def test_the_demos_table_has_the_columns_that_the_code_writes_and_the_rows_that_the_config_asks_for():
    heads, *rows = table_between(DEMO, "demo table")
    shown = ["top-1 last", "top-1 best*", "top-5 last", "to random", "p", "to unguided", "to full"]
    assert heads == ["dataset", "method", "ipc", "protocol", "student", "seeds", *shown]
    config = load_config(yaml.safe_load((ROOT / "config.yaml").read_text()))
    wanted = {
        (method, "all" if method == "full" else str(ipc), protocol)
        for run in config.runs
        for method, ipc, protocol in product(run.methods, run.ipc, run.protocols)
    }
    assert {(row[1], row[2], row[3].split(" (")[0]) for row in rows} == wanted
    ids = {name: protocol.id for name, protocol in config.protocols.items()}
    assert {row[3] for row in rows} == {f"{name} ({known})" for name, known in ids.items()}


def test_the_readmes_rows_are_cells_of_the_demos_table():
    heads, *rows = table_between(README, "demo rows")
    assert len(rows) <= 8
    assert len(heads) <= 4
    measured = {(row[1], row[2], row[3].split(" (")[0]): row[6] for row in table_between(DEMO, "demo table")[1:]}
    columns = {head: re.fullmatch(r"(\d+) images? per class, (\w+) labels", head).groups() for head in heads[1:]}
    for first, *cells in rows:
        method = re.match(r"`([\w-]+)`", first).group(1)
        for (ipc, protocol), cell in zip(columns.values(), cells, strict=True):
            assert cell == measured.get((method, "all" if method == "full" else ipc, protocol), ""), (method, ipc)


def test_the_conda_environment_has_the_pinned_versions():
    environment = yaml.safe_load((ROOT / "envs" / "retort.yaml").read_text())
    assert "python=3.11" in environment["dependencies"]
    pins = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pins == (ROOT / "envs" / "requirements.txt").read_text().split()


def test_install_files_name_versions_and_no_addresses():
    lines = (ROOT / "envs" / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!-]+", line) for line in lines)


PAGES = sorted((ROOT / "docs").rglob("*.md"))


def snippets():
    for page in PAGES:
        for i, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)):
            yield pytest.param(block, id=f"{page.stem}-{i}")


@pytest.mark.parametrize("block", snippets())
def test_every_snippet_of_the_pages_is_a_config_that_loads_and_plans(block, monkeypatch):
    monkeypatch.chdir(ROOT / "tests" / "example_parts")  # where docs/extending.md has its folder of parts
    config, snippet = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text()), yaml.safe_load(block)
    del config["dataset"]["classes"]
    for part, table in snippet.items():
        more = [*config.get(part, []), *table] if isinstance(table, list) else {**config.get(part, {}), **table}
        config[part] = more
    if "methods" in snippet:
        run = {"methods": list(snippet["methods"]), "ipc": [1, 4], "protocols": ["hard"], "students": ["resnet8"]}
        config |= {"methods": snippet["methods"], "runs": [run]}
    plan = Plan(load_config(config), [str(digit) for digit in range(10)])
    assert all(plan.makers_of(method) for method in plan.wanted_methods)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_the_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


MAP = (ROOT / "docs" / "methods.md").read_text()


def rows_below(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading of the map, its head first."""
    found = re.search(r"^\|.*?(?=\n\n)", MAP.split(f"\n## {heading}\n")[1], re.M | re.S)
    lines = [line for line in found.group(0).splitlines() if not line.startswith("|--")]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


PLACES = rows_below("The map: which paper is which composition")
HELD = rows_below("What each was held to")[1:]


def test_the_map_has_each_method_of_imagenet_once_as_the_config_composes_it():
    head, *rows = PLACES
    plan = method_map.plan_of_imagenet1k()
    assert tuple(head[2:]) == method_map.HEAD
    shown = {name: tuple(row[2:]) for row in rows for name in re.findall(r"`([\w-]+)`", row[0])}
    assert sum(len(re.findall("`[^`]+`", row[0])) for row in rows) == len(shown)
    assert shown == {name: method_map.cells(plan, name) for name in plan.config.methods}


def test_every_method_of_the_demo_is_on_the_map():
    named = {name for row in PLACES[1:] for name in re.findall(r"`([\w-]+)`", row[0])}
    assert set(yaml.safe_load((ROOT / "config.yaml").read_text())["methods"]) <= named


def test_each_composition_has_its_reason_and_is_the_same_on_the_small_models_as_on_imagenet():
    page = (ROOT / "docs" / "methods" / "compositions.md").read_text()
    named = re.findall(r"^\| `([\w-]+)` \|", page.split("## Six compositions")[1].split("\n### ")[0], re.M)
    assert len(named) == 6
    full, small = method_map.plan_of_imagenet1k(), method_map.plan_of("fashion-compositions.yaml")
    for name in named:
        (text,) = re.findall(rf"^### `{name}`: .*?(?=^##)", page, re.M | re.S)
        assert "* It is refuted if" in text
        assert method_map.cells(full, name)[1:] == method_map.cells(small, name)[1:], name  # but for the backbone


METHOD_PAGES = sorted((ROOT / "docs" / "methods").glob("*.md"))
QUESTIONS = [
    "Reference implementation, or reading of the paper?",
    "Same constants as published?",
    "Which parity tests hold it?",
]


def files_in(text: str, *below: Path) -> dict[str, bool]:
    """Path -> whether it is there, of the Python files that a text names, below one of some folders."""
    return {path: any((top / path).is_file() for top in below) for path in re.findall(r"`([\w/]+\.py)`", text)}


@pytest.mark.parametrize("page", METHOD_PAGES, ids=lambda page: page.stem)
def test_every_page_of_a_method_says_where_its_code_is(page):
    (line,) = re.findall(r"^In the code: .*?\n\n", page.read_text(), re.M | re.S)
    files = files_in(line, ROOT / "workflow" / "retort")
    assert files
    assert [path for path, there in files.items() if not there] == []


@pytest.mark.parametrize("page", METHOD_PAGES, ids=lambda page: page.stem)
def test_every_page_of_a_method_has_the_checklist_with_tests_that_are_there(page):
    answers = dict(re.findall(r"^\| ([A-Z][^|]*\?) \| ([^|]+) \|$", page.read_text(), re.M))
    assert list(answers) == QUESTIONS
    tests = files_in(answers[QUESTIONS[2]], ROOT)
    assert [path for path, there in tests.items() if not there] == []
    held = [path for path in tests if path.startswith("tests/parity/")]
    assert held if not answers[QUESTIONS[2]].startswith("None") else not held and tests


@pytest.mark.parametrize("page", METHOD_PAGES, ids=lambda page: page.stem)
def test_every_page_of_a_method_is_on_the_map_with_the_parity_tests_that_it_names(page):
    (held,) = [row[1] for row in HELD if f"(methods/{page.name})" in row[0]]
    answers = dict(re.findall(r"^\| ([A-Z][^|]*\?) \| ([^|]+) \|$", page.read_text(), re.M))
    of_page = re.findall(r"`tests/parity/(\w+\.py)`", answers[QUESTIONS[2]])
    assert sorted(re.findall(r"`(\w+\.py)`", held)) == sorted(of_page)


def test_every_parity_test_is_on_the_map_and_those_on_the_map_are_there():
    named = {name for row in HELD for name in re.findall(r"`(\w+\.py)`", row[1])}
    assert named == {path.name for path in (ROOT / "tests" / "parity").glob("test_*.py")}


# What differs from the reference codes and changes results little, each by words that only it has.
SMALL_DEVIATIONS = [
    "the VAE is in float32, in the reference in float16",
    "latents between two steps are in float32",
    "how images are resized before they are encoded",
    "float32 with TF32 products",
    "JPEG of quality 75",
    "EXIF rotation",
    "an epsilon of 1e-5 in the second layer norm",
    "published code sorts from the most confident down",
    "(crane, cardigan, maillot)",
    "after each of the last nine epochs",
    "the last six of ours",
]


@pytest.mark.parametrize("words", SMALL_DEVIATIONS)
def test_each_small_deviation_from_a_paper_is_said_once(words):
    presets = re.sub(r"\n# ?", " ", (ROOT / "workflow" / "retort" / "config" / "presets.yaml").read_text())
    text = " ".join([presets, *(page.read_text() for page in PAGES)])
    assert " ".join(text.split()).count(words) == 1
