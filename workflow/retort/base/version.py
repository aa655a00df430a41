"""Which Retort this is: its version, and the commit of the clone that it runs from."""

import os
import subprocess
from pathlib import Path

VERSION = "0.1.0"  # pyproject.toml's; a test compares them
CLONE = Path(__file__).resolve().parents[3]
SOURCES = ("Snakefile", "rules", "workflow")


def commit_of(clone: Path = CLONE) -> str:
    """The commit that `clone` has checked out, and whether its sources differ from it; "" where that is not known.

    Not known: there is no git, or the folder is no clone of its own (an archive that was unpacked, a copy inside
    another project's clone).
    """
    top = _git(clone, "rev-parse", "--show-toplevel")
    commit = _git(clone, "rev-parse", "HEAD")
    if not commit or not top or Path(top).resolve() != clone.resolve():
        return ""
    changed = _git(clone, "status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
    return f"{commit} with changes that are not committed" if changed else commit


def _git(clone: Path, *command: str) -> str:
    """What git prints, without the end of its last line; "" where it fails."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # of another clone
    try:
        done = subprocess.run(
            ["git", "-C", str(clone), *command], env=own, capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
