"""The rerun matrix: for each change of one thing, the rules that rerun first, and those that follow."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from retort.parts.resolve import FAMILIES, ours
from retort.plan import fingerprint, part_params
from tests.helpers.workspace import REPOSITORY, Workspace
from tests.staleness.changes import bases, edited, edits, key_changes, lay_out
from tests.staleness.planning import Plan, Reruns, changed, plan, reruns

WORKFLOW = REPOSITORY / "workflow"
STAGES = {module.stem: module for module in sorted((WORKFLOW / "retort" / "stages").glob("*/[!_]*.py"))}
LIBRARY = sorted(file for file in (WORKFLOW / "retort").rglob("*.*") if file.suffix != ".pyc")
TARGETS = ("all", "report_page", "exports", "fetch")  # and every method of a base: all that is ever made


@dataclass(frozen=True)
class Row:
    """One change, `what`, of the config or the run that `base` names."""

    base: str
    what: str
    reruns: Reruns


class Matrix:
    """All changes, computed in a folder that takes a copy of the workflow and the files that its configs name."""

    def __init__(self, folder: Path):
        self.home = Workspace.fresh(folder / "home", {}).folder
        lay_out(self.home)
        self._bases = bases()
        self.plans = {name: self._plan(name, config) for name, config in self._bases.items()}

    @cached_property
    def rules(self) -> list[str]:
        """Those that make something, in the order in which the Snakefile includes them."""
        files = re.findall(r'^include: "(rules/[a-z]+\.smk)"', (REPOSITORY / "Snakefile").read_text(), re.M)
        texts = [(REPOSITORY / file).read_text() for file in files]
        named = [name for text in texts for name in re.findall(r"^ *(?:use rule \w+ as|rule) (\w+)", text, re.M)]
        made = {job.rule for planned in self.plans.values() for job in planned.values()}
        return [name for name in named if name in made]

    @cached_property
    def keys(self) -> list[Row]:
        """Of every key of the config."""
        return [self._row(base, what, self._plan(base, config)) for base, what, config in key_changes()]

    @cached_property
    def edits(self) -> dict[str, list[Row]]:
        """Of files and of ways to run, by heading."""
        return {heading: list(map(self._edit, items)) for heading, items in edits().items()}

    @cached_property
    def code(self) -> dict[Path, frozenset[str]]:
        """The rules of which a job runs a stage, or a part of a method, whose fingerprint changes with a line of a file
        of the library."""
        jobs = [job for planned in self.plans.values() for job in planned.values()]
        rules_of = {name: {job.rule for job in jobs if job.stage == name} for name in STAGES}
        for cls, code in _codes_of_parts().items():
            rules_of[cls] = {job.rule for job in jobs if any(code in str(value) for value in job.compared["params"])}
        own, found = _codes(), {}
        for file in LIBRARY:
            with one_line_more(file):
                new = [name for name, code in _codes().items() if code != own[name]]
            found[file] = frozenset(rule for name in new for rule in rules_of[name])
        return found

    def cells(self) -> int:
        """Changes times rules."""
        return (len(self.keys) + sum(map(len, self.edits.values())) + len(self.code)) * len(self.rules)

    def _plan(self, base: str, config: dict, **resources) -> Plan:
        return plan(self.home, config, (*TARGETS, *self._bases[base]["methods"]), **resources)

    def _edit(self, item: dict) -> Row:
        base = item["base"]
        other = nullcontext()
        if "file" in item:
            other = edited(self.home / item["file"], item["how"])
        elif "code" in item:
            other = one_line_more(WORKFLOW / "retort" / item["code"])
        with other:
            return self._row(base, item["what"], self._plan(base, self._bases[base], **item.get("run", {})))

    def _row(self, base: str, what: str, after: Plan) -> Row:
        return Row(base, what, reruns(after, changed(self.plans[base], after)))


def _codes() -> dict[str | type, str]:
    """The fingerprint of each stage, by its name, and of each part of Retort's own."""
    return {name: fingerprint.fingerprint(module) for name, module in STAGES.items()} | _codes_of_parts()


def _codes_of_parts() -> dict[type, str]:
    return {cls: part_params.code_of_part(cls) for family in FAMILIES for cls in ours(family).values()}


@contextmanager
def one_line_more(file: Path) -> Iterator[None]:
    """As if this file of the library had changed: here, and where the workflow is planned, whose stages are a copy."""
    read, content, tail = fingerprint._read, fingerprint._content, file.parts[len(WORKFLOW.parts) :]

    def other(source: Path) -> dict[str, str]:
        return {"code": "other"} if source.parts[-len(tail) :] == tail else {}

    fingerprint._read = lambda source, name: read(source, name)._replace(**other(source))
    fingerprint._content = lambda table: content(table) + b"\n" * (table == file)
    part_params.code_of_part.cache_clear()
    try:
        yield
    finally:
        fingerprint._read, fingerprint._content = read, content
        part_params.code_of_part.cache_clear()
