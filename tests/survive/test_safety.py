"""What the code must never do, read off its syntax trees: run what a file contains, or write where a file says."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.workspace import REPOSITORY

CODE = sorted((REPOSITORY / "workflow").rglob("*.py"))
UNPICKLERS = {"models/pickled.py", "data/unpickle.py"}  # the two that read nothing but tensors, and arrays


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Dotted name and node of every call in a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def option(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), None)


def short(file: Path) -> str:
    return file.relative_to(REPOSITORY / "workflow" / "retort").as_posix() if "retort" in file.parts else file.name


def test_the_walk_sees_the_code():
    assert len(CODE) > 150
    assert any(name == "torch.load" for file in CODE for name, _ in calls(file))


def test_pickles_are_read_in_two_places_that_run_no_code():
    readers = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert {short(file) for file in CODE if imported(file) & readers} == UNPICKLERS
    loads = [(short(f), call) for f in CODE for name, call in calls(f) if name in ("torch.load", "load_pickle")]
    assert [(file, option(call, "weights_only")) for file, call in loads] == [("models/pickled.py", "True")]
    numpy_loads = [(short(f), call) for f in CODE for name, call in calls(f) if name in ("np.load", "numpy.load")]
    assert [file for file, call in numpy_loads if option(call, "allow_pickle") not in (None, "False")] == []
    assert [short(f) for f in CODE for name, _ in calls(f) if name.endswith(("read_pickle", ".load_module"))] == []


def test_no_code_of_a_hub_or_of_a_text_is_run():
    found = [(short(f), name) for f in CODE for name, call in calls(f) if option(call, "trust_remote_code")]
    assert found == []
    assert [(short(f), name) for f in CODE for name, _ in calls(f) if name in ("eval", "exec", "os.system")] == []
    shells = [(short(f), name) for f in CODE for name, call in calls(f) if option(call, "shell") not in (None, "False")]
    assert shells == []


def test_yaml_is_read_safely():
    loads = [(short(f), call) for f in CODE for name, call in calls(f) if name in ("yaml.load", "yaml.unsafe_load")]
    assert [(file, ast.unparse(call.args[1])) for file, call in loads] == [("config/strict_yaml.py", "_Strict")]
    bases = [
        ast.unparse(base)
        for node in ast.walk(ast.parse((REPOSITORY / "workflow/retort/config/strict_yaml.py").read_text()))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    ]
    assert bases == ["yaml.SafeLoader"]


def test_nothing_is_unpacked_to_disk():
    """Members of archives are read one by one, by the names that are expected; see test_archives for hostile ones."""
    unpack = ("extractall", "unpack_archive", ".extract")
    assert [(short(f), name) for f in CODE for name, _ in calls(f) if name.endswith(unpack)] == []


def test_weights_come_from_folders_not_from_a_network():
    """But for the VAE, which lies in results/ when the DiT is trained; an embedding is made of tensors."""
    loads = [(name, call) for f in CODE for name, call in calls(f) if name.endswith(".from_pretrained")]
    remote = [name for name, call in loads if option(call, "local_files_only") != "True"]
    assert sorted(remote) == ["AutoencoderKL.from_pretrained", "nn.Embedding.from_pretrained"]
