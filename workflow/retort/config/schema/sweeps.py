"""Sweeps: one key of a method, set to several values."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from retort.base.grammar import TABLE_TAG, Name, Strict

LIST_TAG = "<list>"
Values = Annotated[
    Annotated[list[Any], Field(min_length=1), Tag(LIST_TAG)]
    | Annotated[dict[Name, Any], Field(min_length=1), Tag(TABLE_TAG)],
    Discriminator(
        lambda found: LIST_TAG if isinstance(found, list) else TABLE_TAG if isinstance(found, dict) else None,
        custom_error_type="list_or_table",
        custom_error_message="must be a list of values, or a table of names and values",
    ),
]


class Sweep(Strict):
    """A sweep makes a method of each value of one key, and a picture of the accuracy over that key."""

    method: Name = Field(description="This method is varied; each member of the sweep is like it but for the key.")
    key: str = Field(
        min_length=1,
        description="This is the key of the method that varies, with dots between tables, such as generate.guidance.",
    )
    values: Values = Field(
        description="These are the values of the key; null removes it. The members are called like the sweep with the "
        "value behind it. A table gives other names to values, such as {low: 1, high: 4}, and is needed for values "
        "that are tables.",
    )
