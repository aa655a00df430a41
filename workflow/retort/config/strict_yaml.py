"""YAML in which a key given twice in one table is a mistake: a plain reader takes the last one and says nothing."""

from pathlib import Path
from typing import Any

import yaml

from retort.base.errors import RetortError

MERGE = "tag:yaml.org,2002:merge"


def read_strictly(file: str | Path) -> Any:
    """What a YAML file holds. Raises RetortError, naming file and line, for a repeated key and for what is no YAML."""
    try:
        with open(file, encoding="utf-8") as handle:
            return yaml.load(handle, _Strict)
    except yaml.reader.ReaderError:
        raise RetortError(f"{file} is no YAML: {_unseen(Path(file).read_text(encoding='utf-8'))}") from None
    except yaml.YAMLError as error:
        raise RetortError(f"{file} is no YAML: {_in_one_line(error)}") from None
    except UnicodeDecodeError as error:
        raise RetortError(f"{file} is no text in UTF-8: {error}") from None


def read_table(file: str | Path) -> dict:
    """The same of a file that must hold a table, as a config does. Raises RetortError where it holds anything else."""
    content = read_strictly(file)
    if not isinstance(content, dict):
        found = "nothing" if content is None else repr(content)[:80]
        raise RetortError(f"{file} must be a table of keys at its top level, such as seed: 0; found {found}")
    return content


def _unseen(text: str) -> str:
    """Line and column of the first character that YAML does not allow."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()]
    place = f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
    return f"{place}: found the control character {found.group()!r}; delete it"


def _in_one_line(error: yaml.YAMLError) -> str:
    """Line and column, what was found there, and what would be right where that is plain."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return " ".join(str(error).split())
    found = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    if "'\\t'" in problem:
        return f"{found}; indent with spaces instead of tabs"
    context = getattr(error, "context", None)
    begun = getattr(error, "context_mark", None)
    since = f" ({context}{f' that begins in line {begun.line + 1}' if begun else ''})" if context else ""
    return f"{found}{since}; align keys, close brackets and quotes, and put text that holds : # % @ or ! in quotes"


class _Strict(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Checked as it is written: later, `<<` has put the keys of other tables among its own."""
        table = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in table.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in lines:
                raise RetortError(
                    f"{key.start_mark.name}: line {line} gives {key.value!r}, which line {lines[key.tag, key.value]} "
                    "has given already; leave one of them out"
                )
            lines[key.tag, key.value] = line
        return table
