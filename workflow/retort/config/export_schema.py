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
    return json.dumps(head | _with_words_of_others(schema) | head, indent=2) + "\n"


# ---------------------------------------------------------------- parts from outside, given as words

OTHERS = "WithOtherParts"  # behind the name of a definition: the same, in which any word may be a part


def _with_words_of_others(schema: dict) -> dict:
    """The schema in which methods may name parts by words that are not ours, where `parts` says where they lie.

    A word that is no part of ours is a misspelt one everywhere else, and editors should underline it.
    """
    known, copies, methods = schema["$defs"], {}, schema["properties"]["methods"]

    def opened(node):
        if isinstance(node, list):
            return [opened(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        if (name := node.get("$ref", "").removeprefix("#/$defs/")) and _names_parts(known[name], known):
            if name + OTHERS not in copies:
                copies[name + OTHERS] = {}  # before what is in it, which may name it again
                copies[name + OTHERS] = opened(known[name])
            return node | {"$ref": f"#/$defs/{name}{OTHERS}"}
        node = {key: opened(inner) for key, inner in node.items()}
        for other in filter(_is_of_others, members := node.get("oneOf", [])):
            word = {"type": "string", "not": other["properties"]["kind"]["not"]}
            node["oneOf"] = [*members, word | {"description": "This word names a part in a folder of `parts`."}]
        return node

    loose, said = opened(methods), {"description": methods["description"]}
    given = {"required": ["parts"], "properties": {"parts": {"minItems": 1}}}
    either = {"if": given, "then": {"properties": {"methods": loose}}, "else": {"properties": {"methods": methods}}}
    properties = schema["properties"] | {"methods": said}
    return schema | {"$defs": known | copies, "properties": properties} | either


def _is_of_others(node) -> bool:
    """Whether it is the table of a part that is not ours; see `any_of`."""
    return isinstance(node, dict) and "not" in node.get("properties", {}).get("kind", {})


def _names_parts(node, known: dict, seen: frozenset = frozenset()) -> bool:
    """Whether a part from outside may stand somewhere in it."""
    if isinstance(node, list):
        return any(_names_parts(inner, known, seen) for inner in node)
    if not isinstance(node, dict):
        return False
    if (name := node.get("$ref", "").removeprefix("#/$defs/")) and name not in seen:
        return _names_parts(known[name], known, seen | {name})
    return _is_of_others(node) or any(_names_parts(inner, known, seen) for inner in node.values())


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
