"""What the tables of the config have in common: strictness, names, and values that are a word or a table."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from retort.base.hints import did_you_mean, nearest

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """A table of the config: unknown keys are refused with the nearest known one named."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def attributes(cls) -> dict[str, str]:
        """Key -> attribute: the same, but for a key that Python keeps for itself, such as from."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, data: Any) -> Any:
        allowed = list(cls.attributes())
        unknown = sorted(set(map(str, data)) - set(allowed)) if isinstance(data, dict) else []
        if unknown:
            hints = "; ".join(f"unknown key {key!r}{did_you_mean(key, allowed)}" for key in unknown)
            message = f"{hints} (allowed: {', '.join(allowed)})"
            raise PydanticCustomError("unknown_key", "{hints}", {"hints": message, "keys": unknown, "allowed": allowed})
        return data


TABLE_TAG = "<table>"  # in the place of an error, which is not shown to users


def word_or_table(words: tuple[str, ...], description: str) -> Discriminator:
    """Tells words, each with a tag of its own, from a table that says more; `description` names all."""
    return Discriminator(
        lambda found: found if found in words else TABLE_TAG if isinstance(found, dict | BaseModel) else None,
        custom_error_type="word_or_table",
        custom_error_message=f"must be {description}",
    )


def kind_by_key(table: dict, kinds: dict[str, str]) -> str | None:
    """The kind of a table that may be several: by the key that only this kind has, well or badly spelt.

    kinds: key -> kind; the first one counts where a table has more.
    """
    meant = {nearest(key, kinds) for key in table}
    return next((kind for key, kind in kinds.items() if key in meant), None)


def exactly_one(table: BaseModel, one: str, other: str, described: str) -> None:
    """Raises unless exactly one of two optional keys is given."""
    given = [key for key in (one, other) if getattr(table, key) is not None]
    if len(given) != 1:
        found = "both" if given else "neither"
        raise PydanticCustomError(
            "exactly_one", "give exactly one of {described}; found {found}", {"described": described, "found": found}
        )
