"""The data set, by one of the layouts."""

from typing import Annotated, Union

from pydantic import Field

from retort.parts.layouts import layouts

AnyDataset = Annotated[Union[tuple(layouts().values())], Field(discriminator="kind")]  # noqa: UP007
