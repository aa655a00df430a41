"""Parts outside Retort: found by name in folders and packages, fingerprinted with what they import, recorded."""

import sys
from importlib import invalidate_caches

import pytest
from tests.helpers.compositions import with_method
from tests.helpers.packaged_part import SOURCE, install

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.config.schema.methods import Method
from retort.parts import check, foreign
from retort.parts.resolve import part_class, part_of
from retort.plan import fingerprint
from retort.plan.part_params import code_of_part, described, origin_of_parts

WORD = "from retort.parts.guides import Guide\n\n\nclass Own(Guide):\n    pass\n"
SELECT = {"kind": "nearest", "encoder": "vae"}


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """No folder, and no package, of an earlier test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    foreign.look_in([])
    foreign._packages.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "nearby"]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path):
    """folder(name, **files): a folder of parts, files by their stems."""

    def make(name: str = "mine", **files: str):
        here = tmp_path / name
        here.mkdir(parents=True, exist_ok=True)
        for stem, text in files.items():
            (here / f"{stem}.py").write_text(text)
        return here

    return make


def installed(site, **changes):
    sys.path.insert(0, str(install(site, **changes)))
    invalidate_caches()


def code(cls) -> str:
    """A fingerprint as a new process computes it."""
    code_of_part.cache_clear()
    fingerprint._read.cache_clear()
    fingerprint._imports.cache_clear()
    return code_of_part(cls)


# ---------------------------------------------------------------- folders


def test_a_file_is_a_part_by_its_name_with_dashes_and_helpers_are_none(folder):
    foreign.look_in([folder(my_own=WORD, _helper="x = 1\n")])
    part = part_of("guides", "my-own")
    assert (part.kind, part.model_dump(mode="json")) == ("my-own", "my-own")
    assert part_of("guides", {"kind": "my-own"}) == part
    assert foreign.names()[0] == "my-own"
    assert not foreign.has("-helper")


def test_two_folders_of_one_name_and_one_with_the_name_of_a_module_are_no_trouble(folder):
    foreign.look_in([folder("numpy", one=WORD), folder("deeper/numpy", two=WORD), folder("with space", three=WORD)])
    classes = {part_class("guides", name) for name in ("one", "two", "three")}
    assert len(classes) == 3
    assert "site-packages" in sys.modules["numpy"].__file__
    assert len({code(cls) for cls in classes}) == 1  # the same code, wherever it lies


def test_no_file_is_imported_before_its_part_is_asked_for(folder):
    foreign.look_in([folder(good=WORD, bad="raise RuntimeError('run')\n")])
    assert part_class("guides", "good").__name__ == "Own"
    with pytest.raises(RetortError, match=r"bad\.py, line 1: RuntimeError: run"):
        part_class("guides", "bad")


def test_a_part_names_itself_with_its_file_and_ours_do_not(folder):
    file = folder(own=WORD) / "own.py"
    foreign.look_in([file.parent])
    assert part_of("guides", "own").named_with_file() == f"own ({file})"
    assert part_of("samplers", "ddim").named_with_file() == "ddim"


@pytest.mark.parametrize(
    ("family", "said", "message"),
    [
        ("samplers", "euler", r"'euler' is none of the samplers \(allowed: ddim, ddpm, dpm\+\+, pndm, or a table"),
        ("samplers", "ddimm", "did you mean 'ddim'"),
        ("guides", "ownn", "none of the guides is called 'ownn', did you mean 'own'"),
        ("guides", {"kind": "ownn"}, "none of the guides is called 'ownn', did you mean 'own'"),
        ("compositions", {"kind": 3}, r"{'kind': 3} is none of the compositions \(allowed: a table of its keys\)"),
        ("samplers", 7, "7 is none of the samplers"),
    ],
)
def test_an_unknown_part_is_answered_with_what_is_allowed(folder, family, said, message):
    foreign.look_in([folder(own=WORD)])
    with pytest.raises(RetortError, match=message):
        part_of(family, said)


# ---------------------------------------------------------------- fingerprints

HELPED = "from retort.parts.guides import Guide\nfrom ._helper import x\n\n\nclass Own(Guide):\n    pass\n"


@pytest.mark.parametrize(
    ("stem", "text", "other"),
    [
        ("own", HELPED.replace("    pass", "    assumed = False"), True),
        ("own", f"# why\n{HELPED}", False),
        ("own", HELPED.replace("    pass", '    """Why."""'), False),
        ("_helper", "x = 2\n", True),
        ("_helper", "x = 1  # why\n", False),
        ("_helper", "from ._deeper import x\n", True),
        ("_unread", "x = 2\n", False),
        ("another", WORD, False),
    ],
)
def test_the_code_of_a_part_is_its_file_and_what_it_imports_beside_it(folder, stem, text, other):
    foreign.look_in([folder(own=HELPED, _helper="x = 1\n", _deeper="x = 1\n", _unread="x = 1\n")])
    cls = part_class("guides", "own")
    before = code(cls)
    folder(**{stem: text})
    assert (code(cls) != before) == other


def test_what_a_helper_imports_of_retort_counts(folder, monkeypatch):
    foreign.look_in([folder(own=HELPED, _helper="from retort.methods.herding import herding as x\n")])
    cls, read = part_class("guides", "own"), fingerprint._read
    before = code(cls)
    changed = lambda source, name: (  # noqa: E731
        read(source, name)._replace(code="other") if source.name == "herding.py" else read(source, name)
    )
    monkeypatch.setattr(fingerprint, "_read", changed)
    code_of_part.cache_clear()
    assert code_of_part(cls) != before


def test_a_rule_gets_the_keys_and_the_code_of_a_part_and_its_name(folder):
    foreign.look_in([folder(own=WORD)])
    part = part_of("guides", "own")
    assert described(part) == {"family": "guides", "keys": "own", "code": code(type(part))}


def test_the_record_of_a_set_names_the_files_of_a_part_and_their_text_is_read_when_the_set_is_written(folder):
    here = folder(own=HELPED, _helper="x = 1\n")
    foreign.look_in([here])
    method = Method.model_validate({"generate": {"model": "dit", "guide": "own"}})
    record = origin_of_parts(method)
    assert set(record) == {"starts/noise", "samplers/ddim", "guides/own"}
    assert record["guides/own"]["files"] == ["mine/own.py", "mine/_helper.py"]
    assert set(record["samplers/ddim"]) == {"code"}
    assert foreign.texts_of("own", record["guides/own"]["files"]) == {
        "mine/own.py": HELPED,
        "mine/_helper.py": "x = 1\n",
    }


ENTRY = {"discoveries": {"first": {"kind": "own", "encoder": "vae"}}}
DISCOVERY = """from retort.parts.discoveries import Discovery, Found


class Own(Discovery):
    \"\"\"The first images stand for the class.\"\"\"

    def find(self, latents, image_ids, count, seed):
        return Found(list(range(count)), ["first"] * count, [1] * count)
"""


def test_a_discovery_from_outside_is_an_entry_of_the_config_with_its_code_and_its_text(folder):
    here = folder(own=DISCOVERY)
    config = load_config(with_method("select: {discovery: first}") | {"parts": [str(here)]} | ENTRY)
    found = config.discoveries["first"]
    assert (found.kind, found.encoder, found.stages) == ("own", "vae", ("find_representatives",))
    assert described(found)["keys"] == {"kind": "own", "encoder": "vae"}
    record = origin_of_parts(config.methods["x"], [found])
    assert set(record) == {"selections/discovery", "discoveries/own"}
    assert record["discoveries/own"]["files"] == ["mine/own.py"]
    assert all(line.ok for line in check.check_folder(here))
    bad = {"discoveries": {"first": {"kind": "own", "encode": "vae"}}}
    with pytest.raises(RetortError, match=r"discoveries\.first: unknown key 'encode', did you mean 'encoder'"):
        load_config(with_method("select: {discovery: first}") | {"parts": [str(here)]} | bad)


# ---------------------------------------------------------------- packages


def test_a_package_brings_a_part_by_its_entry_point(tmp_path):
    installed(tmp_path / "site")
    part = part_of("selections", SELECT)
    assert (part.kind, part.encoder) == ("nearest", "vae")
    assert foreign.package_of("nearest") == "nearby==1.2"
    record = origin_of_parts(Method.model_validate({"select": SELECT}))["selections/nearest"]
    assert record == {"code": code(type(part)), "package": "nearby==1.2"}


def test_a_folder_goes_before_a_package(tmp_path, folder):
    installed(tmp_path / "site")
    foreign.look_in([folder(nearest=WORD)])
    assert foreign.package_of("nearest") is None
    assert part_class("guides", "nearest").__name__ == "Own"


def test_the_code_of_a_packaged_part_is_what_it_imports_of_its_package_and_the_version(tmp_path):
    installed(tmp_path / "site")
    cls = part_class("selections", "nearest")
    before = code(cls)
    tools = tmp_path / "site" / "nearby" / "_tools.py"
    tools.write_text(tools.read_text().replace("np.square(", "2 * np.square("))
    edited = code(cls)
    installed(tmp_path / "newer", version="1.3")
    assert len({before, edited, code(cls)}) == 3


def test_an_entry_point_may_name_the_class(tmp_path):
    installed(tmp_path / "site", entry="nearest = nearby.nearest:Nearest")
    assert part_class("selections", "nearest").__name__ == "Nearest"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"entry": "mean = nearby.nearest"},
            "the package nearby==1.2: Nearest calls itself 'nearest', but it is found by the name 'mean'",
        ),
        ({"entry": "mean = nearby.nowhere"}, r"the part mean \(nearby.nowhere\): ModuleNotFoundError"),
        ({"entry": "mean = nearby.nearest:distances"}, "one part of the selections is wanted, found no part"),
        ({"entry": "mean = nearby.nearest", "source": "1 / 0\n"}, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_bad_package_is_named(tmp_path, changes, message):
    installed(tmp_path / "site", **changes)
    with pytest.raises(RetortError, match=message):
        part_class("selections", "mean")


def test_an_error_in_a_packaged_part_is_blamed_on_its_file(tmp_path):
    installed(tmp_path / "site", source=SOURCE.replace("distances(seen.features)", "distances(None)"))
    part = part_of("selections", SELECT)
    with pytest.raises(AttributeError) as caught:
        part.choose(type("Seen", (), {"features": None})(), 1, 0)
    assert foreign.blamed(caught.value).startswith(f"{tmp_path / 'site' / 'nearby' / '_tools.py'}, line ")


def test_packaged_parts_are_checked_too(tmp_path, capsys):
    installed(tmp_path / "site")
    assert check.main(["--packages"]) == 0
    assert "selections/nearest: it keeps distinct candidates" in capsys.readouterr().out


def test_installed_packages_are_looked_through_once(tmp_path, monkeypatch):
    installed(tmp_path / "site")
    asked = []
    monkeypatch.setattr(foreign, "entry_points", lambda group: asked.append(group) or [])
    for _ in range(9):
        assert not foreign.has("nearest")
    assert asked == ["retort.parts"]
