"""What a run that succeeded says last: the short table, where the rest is, and what to type next."""

import csv
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from retort.report.short_table import short_table

CAPTION = "Top-1 test accuracy in per cent, mean ± standard deviation over seeds:"
PAGE, EXPORTS = "report_page", "exports"
KEPT = {
    **dict.fromkeys(["--cores", "-c", "--jobs", "-j", "--profile", "--workflow-profile", "--directory", "-d"], 1),
    **dict.fromkeys(["--snakefile", "-s", "--executor", "-e"], 1),
    **dict.fromkeys(["--configfile", "--configfiles", "--config", "-C", "--resources", "--res"], None),
}
"""Options of a command that the next one needs as well: with one word, or (None) with all that follow."""


def ending(made: Collection[str], results: Path, figures: Path, dataset: str, command: str, width: int) -> str:
    """`made` are the files that the run made or found; `command` is what runs a target, with {target} in it.

    Empty where none of them is a table, a picture or the page.
    """
    parts, places = [], []
    table, page = results / "accuracy.csv", results / "report.html"
    if str(table) in made and table.exists():
        with open(table, newline="") as handle:
            rows = [row for row in csv.DictReader(handle) if row["dataset"] == dataset]
        parts.append(f"{CAPTION}\n\n{short_table(rows, width)}")
        places.append(("Whole table", f"{table.with_suffix('.md')}; all tables are in {results}/"))
    places += [("Table", path) for path in sorted(made) if fnmatch(path, f"{results / dataset}/tables/*.md")]
    if any(path.startswith(f"{figures}/") for path in made):
        places.append(("Pictures", f"{figures}/"))
    if str(page) in made:
        places.append(("Page", f"{page} has everything"))
    if places and command:
        places += _next(made, command, str(page), str(results / dataset / "exports"))
    widest = max((len(name) for name, _ in places), default=0)
    parts.append("\n".join(f"{name + ':' if name else '':{widest + 1}} {text}" for name, text in places))
    return "\n\n".join(filter(None, parts))


def _next(made: Collection[str], command: str, page: str, exports: str) -> list[tuple[str, str]]:
    """The command on a line of its own, to be copied."""
    if page not in made:
        return [("Next", command.format(target=PAGE)), ("", "makes one page with everything")]
    if not any(path.startswith(exports) for path in made):
        return [("Next", command.format(target=EXPORTS)), ("", "writes the sets as Parquet, each with a card")]
    return []


def command_like(words: Sequence[str], targets: Collection[str], environment: Mapping[str, str]) -> str:
    """A `snakemake` command for another {target}, with the same config, machine and profile as that of `words`.

    Empty where these are no command of Snakemake's. Below `make`, the path of the program is given, since the shell
    need not find it.
    """
    program = Path(words[0])
    if "snakemake" not in (program.name, program.parent.name):
        return ""
    kept: list[str] = []
    left = 0
    for word in words[1:]:
        option, equals, _ = word.partition("=")
        if word.startswith("-") and word != "-":
            known = option in KEPT
            left = (KEPT[option] or len(words)) if known and not equals else 0
            kept += [word] if known else []
        elif left and word not in targets:
            kept.append(word)
            left -= 1
    below_make = "MAKELEVEL" in environment and program.name == "snakemake"
    name = _relative(program) if below_make else "snakemake"
    return " ".join([name, "{target}", *(word.replace("{", "{{").replace("}", "}}") for word in kept)])


def _relative(program: Path) -> str:
    here = Path.cwd()
    return str(program.relative_to(here)) if program.is_relative_to(here) else str(program)
