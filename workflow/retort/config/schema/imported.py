"""Sets that were made elsewhere: where their images are, and what has to be said of them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag

from retort.base.grammar import TABLE_TAG, Count, Strict
from retort.base.paths import LocalPath

VALUES = "unit, signed, imagenet, bytes, or {mean: [...], std: [...]}"
_WORDS = ("unit", "signed", "imagenet", "bytes")
Channels = tuple[float, float, float]


class Normalised(Strict):
    """The values of a tensor file are normalised, channel by channel, by this mean and standard deviation."""

    mean: Channels = Field(description="This is the mean of red, green and blue, from 0 to 1, that was subtracted.")
    std: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = Field(
        description="This is the standard deviation of red, green and blue by which the rest was divided."
    )


def _kind_of_values(found: Any) -> str | None:
    if isinstance(found, dict | BaseModel):
        return TABLE_TAG
    return "<word>" if found in _WORDS else None


Values = Annotated[
    Annotated[Literal["unit", "signed", "imagenet", "bytes"], Tag("<word>")] | Annotated[Normalised, Tag(TABLE_TAG)],
    Discriminator(_kind_of_values, custom_error_type="word_or_table", custom_error_message=f"must be {VALUES}"),
]

OnePerIpc = Annotated[
    Annotated[LocalPath, Tag("<path>")] | Annotated[dict[Count, LocalPath], Field(min_length=1), Tag(TABLE_TAG)],
    Discriminator(lambda found: TABLE_TAG if isinstance(found, dict) else "<path>"),
]


def _keys_as_text(found: Any) -> Any:
    """YAML reads the number of a label as a number."""
    whole = isinstance(found, dict) and all(type(key) in (int, str) for key in found)
    return {str(key): value for key, value in found.items()} if whole else found


class Imported(Strict):
    """These keys of a method import a set that was made elsewhere, by whatever means."""

    images: OnePerIpc | None = Field(
        None,
        description="The images of a set that was made elsewhere are at this path: a folder with one folder per class, "
        "a zip archive of one, Parquet (a file or a folder of shards), or a tensor file (.safetensors, .npz or .pt) "
        "with images and labels. A table gives a path for each number of images per class: {1: path, 10: path}.",
    )
    ipc: Literal["any"] | None = Field(
        None,
        description="With any, classes of an imported set may have fewer images than a run asks for, and what is there "
        "is evaluated. By default such a set is refused.",
    )
    classes: Annotated[dict[str, str], BeforeValidator(_keys_as_text), Field(min_length=1)] | None = Field(
        None,
        description="This table gives the class id of the data set for each name or number by which an imported set "
        "calls a class. Only the classes that it names are taken. By default the names are read as class ids, readable "
        "names or numbers of labels, whichever fits all of them.",
    )
    values: Values | None = Field(
        None,
        description="The values of an imported tensor file that are not whole bytes mean this: unit is 0 to 1, signed "
        "is -1 to 1, imagenet is normalised by ImageNet's mean and standard deviation, bytes is 0 to 255, and a table "
        "names another mean and std. By default it is found out, where only one of these is possible.",
    )
    image_column: str | None = Field(
        None, description="This column of imported Parquet has the images; give it where there are several."
    )
    label_column: str | None = Field(
        None,
        description="This column of imported Parquet has the labels; give it where it is neither described as class "
        "labels nor called label.",
    )
    soft_labels: Literal["logits", "probabilities"] | None = Field(
        None,
        description="The soft labels that an imported set brings, which protocols with labels: own use, are of this "
        "kind. By default their name says it (logits or probabilities); those called soft_labels are probabilities if "
        "every row has no number below 0 and sums to 1, and are refused if not.",
    )
    licence: str | None = Field(
        None,
        min_length=1,
        description="An imported set is given out under this licence, such as mit or cc-by-4.0, which its card states.",
    )
    source: str | None = Field(
        None,
        min_length=1,
        description="This is where an imported set is from, such as an address or a paper; its card and provenance "
        "state it.",
    )
