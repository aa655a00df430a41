"""Tables and Parquet files that were made here, as data frames; damage is told, not raised as the libraries do."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from retort.base.errors import Corrupt
from retort.base.files import refuse_cut_line


def read_table(path: str | Path, needs: Sequence[str], **options) -> pd.DataFrame:
    """A CSV that has the columns `needs`, and more; options: those of pandas.read_csv.

    Raises Corrupt for a file that is none, lacks a column, or ends within a line.
    """
    try:
        table = pd.read_csv(path, **options)
    except ValueError as error:  # what pandas raises of its own, and of text and numbers, is one
        raise Corrupt(path, f"is not the table that it should be ({error})") from None
    _require(path, table.columns, needs)
    refuse_cut_line(path)
    return table


def read_parquet(path: str | Path, needs: Sequence[str], **options) -> pd.DataFrame:
    """The same of a Parquet file; options: those of pandas.read_parquet."""
    try:
        found = pa.parquet.read_schema(path).names
        _require(path, found, needs)
        return pd.read_parquet(path, **options)
    except Corrupt:
        raise
    except (ValueError, pa.ArrowException) as error:
        raise Corrupt(path, f"is no whole Parquet file ({error})") from None
    except OSError as error:
        if error.errno is not None:  # of the file system: full disks, missing files and so on
            raise
        raise Corrupt(path, f"is no whole Parquet file ({error})") from None


def _require(path: str | Path, found: Sequence[str], needs: Sequence[str]) -> None:
    if missing := [name for name in needs if name not in found]:
        raise Corrupt(path, f"lacks the column {missing[0]!r}")
