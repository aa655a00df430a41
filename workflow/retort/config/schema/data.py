"""The data set."""

from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from retort.config.schema.grammar import Count, Name, Strict


class Dataset(Strict):
    """What every data set has, wherever its images come from."""

    name: Name = Field(description="Folder under results/ that holds everything made from this data set.")
    resolution: int = Field(ge=8, le=4096, description="Side in pixels of distilled and evaluation images.")
    classes: list[str] | None = Field(
        None, description="Class ids in label order, to fix the order or take a subset; default: all, sorted."
    )
    shard_classes: Count = Field(10, description="Classes per shard: one job handles this many classes at a time.")

    @field_validator("classes")
    @classmethod
    def _distinct_classes(cls, classes: list[str] | None) -> list[str] | None:
        if classes is not None and len(set(classes)) < len(classes):
            repeated = sorted({c for c in classes if classes.count(c) > 1})
            raise PydanticCustomError("repeated", "classes named twice: {names}", {"names": ", ".join(repeated)})
        if classes is not None and len(classes) < 2:
            raise PydanticCustomError("too_few", "at least two classes are needed to train a student", {})
        return classes


class DigitsDataset(Dataset):
    """scikit-learn's handwritten digits: 1,797 real scans, split 1,397 / 400 by class, as RGB."""

    kind: Literal["digits"]
    name: Name = "digits"
    resolution: int = Field(32, ge=8, le=4096, description="Side in pixels; the 8x8 scans are enlarged (bicubic).")


class FolderDataset(Dataset):
    """One folder per class, either under train/ and val/, or directly under path with a seeded split."""

    kind: Literal["folder"]
    path: str = Field(description="The folder; relative paths start where snakemake is started.")
    class_names: dict[str, str] = Field({}, description="Readable name per class id; default: the id itself.")
    val_fraction: float = Field(
        0.2, gt=0, lt=1, description="About this share of each class is held out when there are no train/ and val/."
    )
    on_bad_image: Literal["stop", "skip"] = Field(
        "stop", description="stop: list unreadable images and stop; skip: leave them out and list them."
    )


AnyDataset = Annotated[DigitsDataset | FolderDataset, Field(discriminator="kind")]
