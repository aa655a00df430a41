"""The matrix as docs/staleness.md has it, for people, and as docs/staleness.csv, cell by cell."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import fill

from tests.helpers.workspace import REPOSITORY
from tests.staleness.matrix import STAGES, WORKFLOW, Matrix, Row

PAGE, CELLS = REPOSITORY / "docs" / "staleness.md", REPOSITORY / "docs" / "staleness.csv"
BASES = {
    "trained": "Digits, with models that are trained here (`configs/smoke.yaml`)",
    "fetched": "A folder of images, with models and teachers from elsewhere (`tests/staleness/bases.yaml`)",
}
COSTLY = {"sets": "write_set", "labels": "relabel_set", "students": "train_students"}
CHEAP = {"tables": "tabulate_", "pictures": "draw_", "report": "report_page"}  # these follow all of those
OWN, FOLLOWS = "1", "2"


# ---------------------------------------------------------------- cells


def cells(matrix: Matrix) -> str:
    """CSV: a line a change of a key, a file or the run; OWN for rules that rerun whatever else does, else FOLLOWS."""
    lines = [",".join(["config", "change", *matrix.rules])]
    for row in (*matrix.keys, *(row for rows in matrix.edits.values() for row in rows)):
        marks = [OWN if r in row.reruns.own else FOLLOWS * (r in row.reruns.counts) for r in matrix.rules]
        lines.append(",".join([row.base, f'"{row.what}"' if set(row.what) & set(',"') else row.what, *marks]))
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- the page


def page(matrix: Matrix) -> str:
    """docs/staleness.md as it is, with its tables made anew: each stands between two comments that name it."""
    text = PAGE.read_text()
    made = {"keys": _keys(matrix.keys), "edits": _edits(matrix.edits), "code": _code(matrix)}
    for name, table in made.items():
        between = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
        text, found = between.subn(lambda _, table=table: f"\n{table}\n\n", text)
        assert found == 1, f"{PAGE} has no place for the table {name!r}"
    return text


def _keys(rows: list[Row]) -> str:
    parts = []
    for base, title in BASES.items():
        of_base = [row for row in rows if row.base == base]
        lines = [[_joined(row.what for row in alike), *_outcome(alike[0])] for alike in _alike(of_base, _outcome)]
        parts += [f"### {title}", _table(["key", "reruns first", "and then"], lines)]
    lines = []
    for alike in _alike([row for row in rows if row.base not in BASES], _first):
        kinds = _alike(alike, lambda row: [row.base])
        lines.append(["; ".join(_of_kind(of_kind) for of_kind in kinds), *_first(alike[0])])
    return "\n\n".join([*parts, "### Other data sets", _table(["keys of `dataset`", "reruns first"], lines)])


def _of_kind(rows: list[Row]) -> str:
    return f"{rows[0].base}: {', '.join(row.what.removeprefix('dataset/') for row in rows)}"


def _edits(edits: dict[str, list[Row]]) -> str:
    lines = []
    for heading, rows in edits.items():
        lines.append([f"**{heading}**", "", ""])
        for alike in _alike(rows, _outcome):
            lines.append(["; ".join(dict.fromkeys(row.what for row in alike)), *_outcome(alike[0])])
    return _table(["changed", "reruns first", "and then"], lines)


def _code(matrix: Matrix) -> str:
    library = {file: rules for file, rules in matrix.code.items() if file not in STAGES.values()}
    files_of: dict[frozenset[str], list[Path]] = {}
    for file, rules in library.items():
        files_of.setdefault(rules, []).append(file)
    lines, own = [], []
    for rules, files in sorted(files_of.items(), key=lambda item: (-len(item[0]), item[1])):
        if len({_stage(rule) for rule in rules}) == 1:
            own.append(f"`{_stage(min(rules))}` ({', '.join(_below(file) for file in files)})")
        else:
            lines.append([_files(files), _rules(rules, matrix.rules)])
    only = fill(f"One stage only: {', '.join(own)}.", 120, break_on_hyphens=False, break_long_words=False)
    return "\n\n".join([_table(["library", "reruns"], lines), only])


def _stage(rule: str) -> str:
    """The stage of a rule, where several have one."""
    return {"tabulate_method": "tabulate_accuracy", "train_one_student": "train_students"}.get(rule, rule)


# ---------------------------------------------------------------- parts of it


def _outcome(row: Row) -> list[str]:
    """What reruns first, and the costly things that follow; else what follows."""

    def among(products: dict[str, str]) -> str:
        found = [name for name, rule in products.items() if any(r.startswith(rule) for r in row.reruns.follow)]
        return ", ".join(found)

    return [*_first(row), among(COSTLY) or among(CHEAP)]


def _first(row: Row) -> list[str]:
    return [", ".join(f"`{rule}`" for rule in sorted(row.reruns.first)) or "nothing"]


def _alike(rows: list[Row], outcome: Callable[[Row], list[str]]) -> list[list[Row]]:
    """Rows of the same outcome together, in order of the first."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(outcome(row)), []).append(row)
    return list(groups.values())


def _joined(places: Iterable[str]) -> str:
    """Keys, those of the same table after its name."""
    tables: dict[str, list[str]] = {}
    for place in places:
        table, _, key = ("", "", place) if " + " in place else place.replace("/", ".").rpartition(".")
        tables.setdefault(table, []).append(key)
    return "; ".join(f"`{table}.` {', '.join(keys)}" if table else _plain(keys) for table, keys in tables.items())


def _plain(keys: list[str]) -> str:
    return ", ".join(f"`{part.replace('/', '.')}`" for key in keys for part in key.split(" + "))


def _files(files: Iterable[Path]) -> str:
    """Paths below the library, those of a folder together."""
    folders: dict[str, list[str]] = {}
    for file in files:
        folder, slash, name = _below(file).rpartition("/")
        folders.setdefault(folder + slash, []).append(name)
    listed = {folder: ", ".join(names) for folder, names in folders.items()}
    return "; ".join(f"`{folder}` {names}" if folder else names for folder, names in listed.items())


def _below(file: Path) -> str:
    return file.relative_to(WORKFLOW / "retort").as_posix()


def _rules(rules: frozenset[str], every: list[str]) -> str:
    others = [rule for rule in every if rule not in rules]
    if not rules:
        return "nothing by itself"
    if 2 * len(others) < len(rules):
        return "everything" + (f" but {', '.join(others)}" if others else "")
    return ", ".join(rule for rule in every if rule in rules)


def _table(heads: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines))
