"""What the config's schema says of each key can be read alone, as an editor shows it."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text())
TABLES = {"Config": {key: value for key, value in SCHEMA.items() if key != "$defs"}, **SCHEMA["$defs"]}
DESCRIPTIONS = {table: entry.get("description") for table, entry in TABLES.items()} | {
    f"{table}.{key}": value.get("description")
    for table, entry in TABLES.items()
    for key, value in entry.get("properties", {}).items()
}

# The verbs of the descriptions. A text without any of them is no sentence; add a verb where yours is missing.
VERBS = """
    are become becomes change classifies clusters compiles decodes derives describes differs draws encodes
    ends gets gives goes has have helps holds is keeps lasts lie lies makes may moves names predicts reach
    rises run runs says scores sees sets show stand starts stay takes train trains turns use works
"""
VERB = re.compile(rf"\b({'|'.join(VERBS.split())})\b")


def fault(description: str | None) -> str | None:
    """Why a description cannot be read alone; None where it can."""
    if not description:
        return "there is none"
    for paragraph in description.split("\n\n"):
        text = " ".join(paragraph.split())
        if not (text[0].isupper() or text[0].isdigit() or text.startswith(("scikit-learn", "fastai"))):
            return "it does not begin as a sentence does"
        if not text.endswith((".", "...")):
            return "it does not end with a full stop"
        first = re.split(r"(?<=[.;])\s", text)[0]
        if len(first.split()) < 4 or not VERB.search(first):
            return "its first sentence has no verb"
    return None


@pytest.mark.parametrize("key", DESCRIPTIONS)
def test_every_description_is_a_sentence_that_can_be_read_alone(key):
    assert fault(DESCRIPTIONS[key]) is None


def test_every_key_of_the_schema_is_looked_at():
    plain = json.dumps({key: value for key, value in SCHEMA.items() if key not in ("if", "then", "else")})
    named = plain.count('"properties": {')
    foreign = plain.count("a part that lies outside")  # a table of whatever keys its part has
    assert named - foreign == sum("properties" in table for table in TABLES.values())
    assert len(DESCRIPTIONS) > 200


@pytest.mark.parametrize(
    ("description", "why"),
    [
        (None, "there is none"),
        ("up to this one.", "it does not begin as a sentence does"),
        ("Timesteps are drawn from this share of the schedule on,", "it does not end with a full stop"),
        ("Adam's rate.", "its first sentence has no verb"),
        ("Dimensions of the embedding, in all of its axes.", "its first sentence has no verb"),
        ("The embedding has this many dimensions.", None),
    ],
)
def test_what_a_description_lacks_is_said(description, why):
    assert fault(description) == why
