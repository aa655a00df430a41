"""YAML in which a key given twice in one table is a mistake: a plain reader takes the last one and says nothing."""

from pathlib import Path
from typing import Any

import yaml

from retort.errors import RetortError


def read_strictly(file: str | Path) -> Any:
    """What a YAML file holds. Raises RetortError, naming file and line, for a repeated key and for what is no YAML."""
    try:
        with open(file, encoding="utf-8") as handle:
            return yaml.load(handle, _Strict)
    except yaml.YAMLError as error:
        raise RetortError(f"{file} is no YAML: {error}") from None
    except UnicodeDecodeError as error:
        raise RetortError(f"{file} is no text in UTF-8: {error}") from None


class _Strict(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
                raise RetortError(
                    f"{key.start_mark.name}: line {line} gives {key.value!r}, which line {lines[key.value]} has given "
                    "already; leave one of them out"
                )
        return super().construct_mapping(node, deep)
