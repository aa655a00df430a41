"""The JSON schema of the config, which editors use to complete, explain and check it.

python -m retort.config.export_schema PATH            write it
python -m retort.config.export_schema --check PATH    fail unless PATH is in step with the typed config
"""

import argparse
import json
import sys
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema

from retort.config.schema import Config


class _ForEditors(GenerateJsonSchema):
    """Without titles that only repeat the key, and strict about the names that users give to things."""

    def field_title_should_be_set(self, schema) -> bool:
        return False

    def dict_schema(self, schema) -> dict:
        table = super().dict_schema(schema)
        return table | {"additionalProperties": False} if "patternProperties" in table else table


def schema_text() -> str:
    """The schema as indented JSON, made from the classes of `retort.config.schema` and their descriptions."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Retort's config"}
    schema = Config.model_json_schema(schema_generator=_ForEditors)
    return json.dumps(head | schema | head, indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m retort.config.export_schema", description="JSON schema of the config"
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; fail unless PATH is in step")
    options = parser.parse_args(arguments)
    if not options.check:
        options.path.parent.mkdir(parents=True, exist_ok=True)
        options.path.write_text(schema_text(), encoding="utf-8")
    elif not options.path.is_file() or options.path.read_text(encoding="utf-8") != schema_text():
        print(f"{options.path} is out of step with the typed config; run `make schema`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
