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
    except yaml.YAMLError as error:
        raise RetortError(f"{file} is no YAML: {error}") from None
    except UnicodeDecodeError as error:
        raise RetortError(f"{file} is no text in UTF-8: {error}") from None


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
