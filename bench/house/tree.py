"""The code of a revision: its files below a folder of its own, and how long they are."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKING_TREE = "working tree"
GLUE = ("Snakefile", "rules/", "workflow/scripts/", "workflow/run.py")
BINDERS = ("workflow/retort/stages/model_files.py", "workflow/retort/running/call.py")


def git(*words: str, root: Path = ROOT) -> str:
    """What git prints. Raises subprocess.CalledProcessError where it refuses."""
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


def extract(revision: str, folder: Path, root: Path = ROOT) -> Path:
    """All files of a revision below `folder`, which is returned; of the working tree those that git does not ignore."""
    folder.mkdir(parents=True)
    if revision == WORKING_TREE:
        for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard", root=root).split("\0"):
            if name and (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)
    else:
        done = subprocess.run(["git", "archive", revision], cwd=root, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
    return folder


def code_of(tree: Path) -> dict[str, int]:
    """Path -> lines of every file of the library, the rules and the scripts; blank lines and comments count."""
    files = [*tree.glob("workflow/**/*.py"), *tree.glob("rules/**/*.smk"), tree / "Snakefile"]
    return {file.relative_to(tree).as_posix(): len(file.read_text().splitlines()) for file in sorted(files)}


def floor_of(path: str) -> str:
    """Where a file of the code lies: a package of the library, the rules, their look-ups, the scripts."""
    parts = path.split("/")
    if parts[0] == "workflow":
        inside = parts[1] == "retort"
        return parts[2] if inside and len(parts) > 3 else "beside the packages" if inside else "scripts"
    return "look-ups apart" if parts[:2] == ["rules", "lookups"] else "rules"


def sizes(code: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Floor -> (files, lines)."""
    floors = sorted({floor_of(path) for path in code})
    lines = {floor: [count for path, count in code.items() if floor_of(path) == floor] for floor in floors}
    return {floor: (len(counts), sum(counts)) for floor, counts in lines.items()}


def glue(code: dict[str, int]) -> int:
    """Lines that only join what the config says to the functions that compute."""
    return sum(lines for path, lines in code.items() if path.startswith(GLUE) or path in BINDERS)
