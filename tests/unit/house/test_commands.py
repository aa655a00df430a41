"""Every snakemake command that a page, a config or a profile shows does what it says when it is typed as it stands.

Several of Snakemake's options take every word that follows them: `--configfile mine.yaml d3hr` asks for two files.
"""

import re
import shlex
from pathlib import Path

import pytest
from snakemake.cli import parse_args

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "config.yaml",
    ROOT / "Snakefile",
    ROOT / "Makefile",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "results").glob("README.md")),
    *sorted((ROOT / "configs").glob("*.yaml")),
    *sorted((ROOT / "profiles").rglob("*.yaml")),
    *sorted((ROOT / "bench").glob("*.*")),
    *sorted((ROOT / "workflow").rglob("*.py")),
]
PROGRAM = r"(?:\.venv/bin/snakemake|snakemake|python workflow/status\.py)"
SHOWN = [
    re.compile(rf"`({PROGRAM} [^`\n]+)`"),  # in a sentence
    re.compile(rf"^#?(?: {{3,}}| {{2,}}\d\. )({PROGRAM} .+)$", re.MULTILINE),  # on a line of its own
]
GREEDY = ("until", "omit_from", "forcerun")  # of stages: our pages name one at a time


def shown(text: str) -> list[str]:
    """Commands without the remarks behind them."""
    found = [command for pattern in SHOWN for command in pattern.findall(text)]
    return [re.split(r" {2,}| #", command)[0] for command in found]


def swallowed(command: str) -> list[str]:
    """The words that an option would take although they are meant as targets."""
    words = [word.strip("[]") for word in shlex.split(command.split("snakemake", 1)[-1].split("status.py", 1)[-1])]
    own = [word for word in words if word != "--replaced"]  # status.py's
    if "--output" in own:
        own = own[: own.index("--output")] + own[own.index("--output") + 2 :]
    _, given = parse_args(own)
    files = [str(file) for file in given.configfile if file.suffix not in (".yaml", ".json") and str(file) != "..."]
    stages = [sorted(getattr(given, option) or ()) for option in GREEDY]
    return files + [stage for several in stages if len(several) > 1 for stage in several]


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    """Profiles are named by their paths in the clone."""
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if shown(page.read_text())], ids=lambda page: str(page.relative_to(ROOT))
)
def test_no_option_of_a_shown_command_takes_its_targets(page):
    for command in shown(page.read_text()):
        if "--profile slurm" not in command:  # installed for a user: not here
            assert swallowed(command) == [], command


def test_commands_are_found_on_pages_and_their_targets_are_missed():
    commands = {command for page in PAGES for command in shown(page.read_text())}
    assert len([command for command in commands if "--configfile" in command]) >= 10
    assert "snakemake d3hr --cores 2 --configfile my-config.yaml" in commands
    assert swallowed("snakemake --cores 2 --configfile mine.yaml d3hr") == ["d3hr"]
    assert swallowed("python workflow/status.py --configfile mine.yaml tables --output a.md") == ["tables"]
    assert swallowed("snakemake --cores 2 --until write_set d3hr") == ["d3hr", "write_set"]
    lines = [
        "    snakemake x --cores 2    # remark",
        "`snakemake -n y`, snakemake z",
        "#   2. snakemake w --cores 1   said",
    ]
    assert shown("\n".join(lines)) == ["snakemake -n y", "snakemake x --cores 2", "snakemake w --cores 1"]
