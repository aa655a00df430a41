"""A copy of the workflow in a folder of its own, run as a user would run it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "rules", "workflow", "profiles", "envs", "config.yaml", "configs")

MEASURED = {"costs.csv", "jobs.csv", "report.html", ".snakemake_timestamp"}  # files with times and memory in them
UNEQUAL = {"README.md", "slurm-logs"}  # in results/: not made by a run, or of one executor alone


class Workspace:
    """A runnable copy of the repository with its own results and its own `experiment.yaml`."""

    def __init__(self, folder: Path, config: dict):
        self.folder, self._edited = folder, False
        self.variables: dict[str, str] = {}  # of the environment, beside a user's
        self.configure(config)

    @classmethod
    def fresh(cls, folder: Path, config: dict) -> "Workspace":
        folder.mkdir(parents=True)
        for part in PARTS:
            source = REPOSITORY / part
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(
                source, folder / part, **({"ignore": shutil.ignore_patterns("__pycache__")} if source.is_dir() else {})
            )
        return cls(folder, config)

    @classmethod
    def found(cls, folder: Path) -> "Workspace":
        """One that another process made."""
        return cls(folder, yaml.safe_load((folder / "experiment.yaml").read_text()))

    def twin(self, folder: Path) -> "Workspace":
        """The same workspace elsewhere, results, times and Snakemake's own records included."""
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=shutil.copy2)
        other = Workspace(folder, deepcopy(self.config))
        other._edited = self._edited
        return other

    def configure(self, config: dict) -> None:
        self.config = config
        file, text = self.folder / "experiment.yaml", yaml.safe_dump(config, sort_keys=False)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--configfile", "experiment.yaml", *arguments]

    def run(self, *arguments: str, succeeds: bool = True) -> str:
        """Run snakemake and return all it printed; fails the test when it ends otherwise than expected."""
        return self.ended(self.command(*arguments), succeeds)

    def run_default(self, *arguments: str, succeeds: bool = True) -> str:
        """The same with the workspace's config.yaml."""
        return self.ended([sys.executable, "-m", "snakemake", *arguments], succeeds)

    def ended(self, command: list[str], succeeds: bool = True) -> str:
        surroundings = {"cwd": self.folder, "env": environment() | self.variables}
        done = subprocess.run(command, **surroundings, capture_output=True, text=True, timeout=1800)
        output = done.stdout + done.stderr
        assert (done.returncode == 0) == succeeds, output[-6000:]
        return output

    def planned(self, *targets: str, forceall: bool = False) -> dict[str, int]:
        """Rule -> number of jobs that a run would start now; empty when there is nothing to do.

        Snakemake says it in this process, which has its modules already: in a seventh of the time that `listed` takes.
        A process imports code once, so edited code, parts from outside and other packages are for one of its own.
        """
        from tests.staleness.planning import stale

        if self._edited or self.variables or "parts" in self.config:
            return self.listed(*targets, *["--forceall"] * forceall)
        return stale(self.folder, targets, forceall)

    def listed(self, *targets: str) -> dict[str, int]:
        """The same as the command line says it."""
        output = self.run("--dry-run", "--cores", "2", *targets)
        if "Nothing to be done" in output:
            return {}
        stats = output[output.rindex("Job stats:") :].splitlines()[3:]
        counts = {}
        for line in stats:
            if not (match := re.match(r"(\S+) +(\d+)$", line)):
                break
            counts[match[1]] = int(match[2])
        assert counts.pop("total") == sum(counts.values())
        return counts

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the workspace; the text must be there exactly once."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))
        self._edited |= file.suffix == ".py"

    def results(self, *parts: str) -> Path:
        return self.folder.joinpath("results", *parts)

    def hashes(self, *parts: str) -> dict[str, str]:
        """Relative path -> SHA-256 of every PNG and table of distilled sets below results/<parts>."""
        root = self.results(*parts)
        files = [p for p in sorted(root.rglob("*")) if p.suffix in (".png", ".csv")]
        assert files, f"nothing below {root}"
        return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    def contents(self) -> dict[str, str]:
        """Relative path -> SHA-256 of everything that two equal runs have in common: all but times and memory."""
        root, found = self.results(), {}
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            name = path.relative_to(root)
            if name.parts[1:2] in (("logs",), ("benchmarks",)) or name.name in MEASURED or name.parts[0] in UNEQUAL:
                continue
            content = path.read_bytes()
            if "students" in name.parts:
                with suppress(json.JSONDecodeError):  # damaged by a test
                    content = json.dumps(json.loads(content) | {"seconds": None}).encode()
            found[str(name)] = hashlib.sha256(content).hexdigest()
        return found


def environment() -> dict[str, str]:
    """The environment of a user's shell: nothing of the test run leaks into it."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "TQDM_MININTERVAL")}


def smoke_config() -> dict:
    return yaml.safe_load((REPOSITORY / "configs" / "smoke.yaml").read_text())
