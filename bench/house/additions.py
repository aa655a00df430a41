"""What it took to add something: the files that the commits which added it touched, and those that name it.

Early commits of this repository added several things at once. So beside all files of the code that a commit touched
stand those in which it added a line that names the thing; and beside the commits, the files of a revision that name it.
"""

import io
import re
import subprocess
import tokenize
from dataclasses import dataclass
from pathlib import Path

from bench.house.tree import ROOT, code_of, git

CODE = ("*.py", "*.smk", "Snakefile")
IN_CODE = (":(glob)workflow/**/*.py", ":(glob)rules/**/*.smk", "Snakefile")


@dataclass(frozen=True)
class Addition:
    """kind and name of what was added; pattern: what names it in code; commits: those that added it, oldest first."""

    kind: str
    name: str
    pattern: str
    commits: tuple[str, ...]


# Whoever adds one of these kinds may add the line of it here.
ADDITIONS = (
    Addition("sampler", "DPM-Solver++", r"dpm", ("4b6ecba", "c0d4e1c")),
    Addition("selection", "coverage", r"coverage", ("c0d4e1c",)),
    Addition("selection", "greedy k-centre", r"k.?centre", ("cb36def",)),
    Addition("key of a sampler", "DDIM's eta", r"\beta\b", ("cb36def",)),
    Addition("layout", "Tiny-ImageNet", r"tiny.?imagenet", ("28b7e03",)),
    Addition("backbone", "SDXL", r"sdxl", ("c0d4e1c",)),
    Addition("column", "the labelling teacher's architecture", r"teacher_arch", ("de174a0",)),
    Addition("rule", "accuracy class by class", r"tabulate_classes", ("f6b61ca",)),
    Addition("rule", "cards of exported sets", r"write_cards", ("075e1f7",)),
)


class UnknownCommit(Exception):
    """A commit that this clone does not have."""


def touched(commit: str, pattern: str = "", root: Path = ROOT) -> set[str]:
    """Files of the code in which a commit added a line that names something, or all that it touched, by their paths.

    Files that it only moved or deleted do not count. Raises UnknownCommit where the clone does not have it.
    """
    command = ("show", "--format=", "--unified=0", "--find-renames", "--diff-filter=d", commit, "--", *IN_CODE)
    try:
        text = git(*command, root=root)
    except subprocess.CalledProcessError:
        raise UnknownCommit(
            f"this clone has no commit {commit}; fetch its whole history: git fetch --unshallow"
        ) from None
    found = set()
    for part in re.split(r"^diff --git ", text, flags=re.MULTILINE)[1:]:
        path = re.search(r"^\+\+\+ b/(.+)$", part, re.MULTILINE)
        added = re.findall(r"^\+(?!\+\+ )(.*)$", part, re.MULTILINE)
        if path and any(re.search(pattern, line, re.IGNORECASE) for line in [*added, path[1]]):
            found.add(path[1])
    return found


def naming(tree: Path, pattern: str) -> set[str]:
    """Files of the code of a tree that name something, in their code or their path; comments and docstrings aside."""
    return {path for path in code_of(tree) if re.search(pattern, f"{path} {_bare((tree / path).read_text())}", re.I)}


def _bare(text: str) -> str:
    """A file's tokens without its comments and docstrings."""
    found, starts = [], True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            starts = True
        elif token.type not in (tokenize.COMMENT, tokenize.NL):
            if not (starts and token.type == tokenize.STRING):
                found.append(token.string)
            starts = False
    return " ".join(found)
