"""The recipes of containers, as text: they install what `make env` does, and copy what a run reads. Built elsewhere."""

import re
from pathlib import Path

import pytest
from tests.helpers.workspace import PARTS

ROOT = Path(__file__).resolve().parents[3]
HOME = "/opt/retort"
CONTAINERFILE = re.sub(r"\\\n\s*", "", (ROOT / "envs" / "Containerfile").read_text())
DEFINITION = (ROOT / "envs" / "retort.def").read_text()
HOST = re.compile(r"https?://|\b[\w-]+\.(io|org|com|net)\b")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", CONTAINERFILE, re.M)


def section(name: str) -> list[str]:
    """The lines of a section of the definition."""
    return [line.strip() for line in re.search(rf"^%{name}\n((?: +.*\n)+)", DEFINITION, re.M)[1].splitlines()]


def copied() -> dict[str, str]:
    """Source -> place, of the Containerfile."""
    found = {}
    for words in map(str.split, instructions("COPY")):
        *sources, target = words
        for source in sources:
            found[source] = str(Path(HOME, target, Path(source).name if target.endswith("/") else ""))
    return found


def commands() -> list[str]:
    """What both recipes run to install, without the user that only an image has, and the folder where they do it."""
    steps = [step.strip() for run in instructions("RUN") for step in run.split("&&")]
    return [step for step in steps if not step.startswith(("useradd", "install -d"))]


def python_of_the_pins() -> str:
    return re.search(r"--python-version (\S+)", (ROOT / "Makefile").read_text())[1]


def test_both_recipes_copy_the_same_files_to_the_same_places_and_all_of_them_are_there():
    assert dict(map(str.split, section("files"))) == copied()
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_all_that_a_run_reads_is_copied():
    """A workspace of the tests is a runnable copy of the repository; of envs/, it needs nothing."""
    assert set(PARTS) - {"envs"} - set(copied()) == set()
    assert {"Makefile", "envs/requirements.txt"} <= set(copied())


def test_both_recipes_run_the_same_commands():
    post = [re.sub(r"\$\{(\w+):-\}", r"${\1}", line) for line in section("post") if line != f"cd {HOME}"]
    assert post == commands()
    assert instructions("WORKDIR")[0] == HOME
    entry = re.findall(r'"([^"]+)"', instructions("ENTRYPOINT")[0])
    assert section("runscript") == [f'exec {" ".join(entry)} "$@"']
    assert [word for word in entry if word.startswith("/")] == [f"{HOME}/Snakefile", f"{HOME}/profiles/default"]


def test_the_environment_is_made_by_make_env_with_the_python_of_the_pins_before_the_workflow_is_copied():
    version = python_of_the_pins()
    made = f"make env PYTHON=python{version} TORCH_BACKEND=${{TORCH_BACKEND}}"
    assert made in commands()
    installed = next(step.split()[3:] for step in commands() if step.startswith("apt-get install"))
    assert {f"python{version}", f"python{version}-venv", "make"} <= set(installed)
    before = CONTAINERFILE[: CONTAINERFILE.index(made)]
    assert re.findall(r"^COPY (.*)$", before, re.M) == ["Makefile ./", "envs/requirements.txt envs/"]


def test_the_image_is_not_run_as_root():
    user, entry = CONTAINERFILE.index("\nUSER "), CONTAINERFILE.index("\nENTRYPOINT ")
    assert instructions("USER") == ["retort"]
    assert CONTAINERFILE.index("\nRUN useradd") < user < entry
    assert "\nRUN " not in CONTAINERFILE[user:]


@pytest.mark.parametrize("recipe", [CONTAINERFILE, DEFINITION], ids=["Containerfile", "retort.def"])
def test_no_recipe_names_a_host(recipe):
    assert HOST.search("FROM docker.io/library/debian")
    assert HOST.search(recipe) is None
