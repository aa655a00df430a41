"""A key that is given twice is refused with both its lines; everything else is read as YAML is."""

import pytest
import yaml
from tests.unit.config.test_config import SHIPPED

from retort.base.errors import RetortError
from retort.config.inherit import inherited
from retort.config.strict_yaml import read_strictly, read_table


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_shipped_configs_are_read_as_by_any_reader(file):
    assert read_strictly(file) == yaml.safe_load(file.read_text())


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("seed: 0\nmethods: {}\nseed: 1\n", "seed", (3, 1)),
        ("methods:\n  d3hr: {select: all}\n  coda: {select: all}\n  d3hr: {select: random}\n", "d3hr", (4, 2)),
        ("runs:\n  - {ipc: [1], seeds: 1,\n     ipc: [2]}\n", "ipc", (3, 2)),
        ("runs:\n  - {ipc: [1], seeds: 1, ipc: [2]}\n", "ipc", (2, 2)),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  y: 1\n  y: 2\n", "y", (5, 4)),
    ],
    ids=["at the top", "a method", "in a list", "in one line", "beside what is merged"],
)
def test_a_repeated_key_is_named_with_its_file_and_both_lines(tmp_path, text, key, lines):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RetortError) as error:
        read_strictly(tmp_path / "mine.yaml")
    assert f"mine.yaml: line {lines[0]} gives {key!r}, which line {lines[1]} has given" in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["a: {x: 1}\nb: {x: 2}\n", "1: a\n'1': b\n", "z: &z {x: 1}\na: &a\n  <<: *z\n  x: 2\nb:\n  <<: *a\n  x: 3\n"],
    ids=["in two tables", "a number and a word", "in place of what is merged"],
)
def test_what_is_no_key_given_twice_is_read_as_by_any_reader(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    assert read_strictly(tmp_path / "mine.yaml") == yaml.safe_load(text)


def test_a_config_that_is_extended_is_read_strictly_too(tmp_path):
    (tmp_path / "base.yaml").write_text("seed: 0\nseed: 1\n")
    with pytest.raises(RetortError, match="line 2 gives 'seed'"):
        inherited({"extends": str(tmp_path / "base.yaml")})


@pytest.mark.parametrize(("content", "words"), [(b"a: [1, 2", "is no YAML"), (b"a: \xff", "UTF-8")])
def test_what_is_no_yaml_is_refused_by_name(tmp_path, content, words):
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(RetortError, match=words):
        read_strictly(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("text", "place", "finding", "remedy"),
    [
        ("a:\n\tb: 1\n", "line 2, column 1", r"found character '\t'", "indent with spaces instead of tabs"),
        ("a: [1\n", "line 2, column 1", "flow sequence that begins in line 1", "close brackets"),
        ('a: "x\nb: 1\n', "line 3, column 1", "quoted scalar that begins in line 1", "close brackets and quotes"),
        ("path: %HOME%/x\n", "line 1, column 7", "found character '%'", "put text that holds : # % @ or ! in quotes"),
        ("a: 1\n b: 2\n", "line 2, column 3", "mapping values are not allowed here", "align keys"),
        ("a: *b\n", "line 1, column 4", "undefined alias 'b'", "in quotes"),
        ("a: 1\nbc: x\a\n", "line 2, column 6", r"control character '\x07'", "delete it"),
    ],
)
def test_what_is_no_yaml_is_one_line_with_its_place_what_was_found_and_what_would_be_right(
    tmp_path, text, place, finding, remedy
):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RetortError) as error:
        read_strictly(tmp_path / "mine.yaml")
    said = str(error.value)
    assert "\n" not in said
    assert [word for word in ("mine.yaml", place, finding, remedy) if word not in said] == [], said


@pytest.mark.parametrize(("text", "found"), [("- 1\n- 2\n", "[1, 2]"), ("", "nothing"), ("seed\n", "'seed'")])
def test_a_config_that_is_no_table_is_refused_by_name(tmp_path, text, found):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RetortError) as error:
        read_table(tmp_path / "mine.yaml")
    assert f"mine.yaml must be a table of keys at its top level, such as seed: 0; found {found}" in str(error.value)
