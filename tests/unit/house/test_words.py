"""What people read has the field's standard words: none of the words that they have replaced comes back."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "workflow" / "retort"

# Word -> what is written for it. Case counts: Places is a data set.
REPLACED = {
    r"lower line": "baseline",
    r"upper line": "upper bound",
    r"told|tell(?:s|ing)?": "given, said, distinguishes",
    r"whose": "of which, or a sentence of its own",
    r"places": "positions, folders, the thing itself",
    r"troubles?": "error",
    r"damaged?": "corrupt",
    r"(?:go|goes|going|gone|went) on": "resume, continue",
    r"anew": "again",
    r"in kind": "of the same kind, with the thing itself",
}
PATTERNS = {re.compile(rf"\b(?:{word})\b"): instead for word, instead in REPLACED.items()}

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "results" / "README.md", *(ROOT / "docs").rglob("*.md")]
CONFIGS = [ROOT / "config.yaml", *(ROOT / "configs").glob("*.yaml"), LIBRARY / "config" / "presets.yaml"]


def prose(page: str) -> str:
    """A page without its code and names of files."""
    return re.sub(r"`[^`\n]*`|\w+\.py|^    .*$", "", re.sub(r"```.*?```", "", page, flags=re.S), flags=re.M)


def comments(config: str) -> str:
    return "\n".join(re.findall(r"(?:^|\s)#(.*)", config))


def descriptions(schema: object) -> Iterator[str]:
    """Every `description` of the exported JSON schema."""
    if isinstance(schema, dict):
        yield from (text for key, text in schema.items() if key == "description" and isinstance(text, str))
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from descriptions(part)


def messages(source: str) -> str:
    """The texts of a module that are no docstrings: what it raises, prints, writes and logs."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(node.value for node in texts if id(node) not in docstrings and " " in node.value)


def replaced_in(text: str) -> list[str]:
    """Each replaced word of a text with the words around it, and what is written for it."""
    lines = " ".join(text.split())
    return [
        f"...{lines[max(0, found.start() - 30) : found.end() + 30]}... -> {instead}"
        for pattern, instead in PATTERNS.items()
        for found in pattern.finditer(lines)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_have_no_replaced_word(page):
    assert replaced_in(prose(page.read_text())) == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_comments_of_configs_have_no_replaced_word(config):
    assert replaced_in(comments(config.read_text())) == []


def test_descriptions_of_the_schema_have_no_replaced_word():
    schema = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text())
    assert replaced_in("\n".join(descriptions(schema))) == []


@pytest.mark.parametrize("module", sorted(LIBRARY.rglob("*.py")), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_messages_have_no_replaced_word(module):
    assert replaced_in(messages(module.read_text())) == []


# ---------------------------------------------------------------- these tests themselves


def test_replaced_words_are_found_where_people_read_and_nowhere_else():
    assert replaced_in("Places365 is replaced in place") == []
    assert len(replaced_in("the lower\nline goes on with damaged places")) == 4
    assert prose("a `told` b\n\n    told\n```yaml\ntold\n```\n").split() == ["a", "b"]
    assert comments("key: whose # what\n# told\n").split() == ["what", "told"]
    assert list(
        descriptions({"a": [{"description": "one", "properties": {"description": {"description": "two"}}}]})
    ) == [
        "one",
        "two",
    ]
    source = '"""told"""\ndef told():\n    """told"""\n    raise Error(f"it told {told} us")\n'
    assert messages(source) == "it told \n us"
