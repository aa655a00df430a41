"""The table of what was measured of models and teachers."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from retort.base.files import read_json, whole_file


def tabulate_models(trained: Sequence[str], judged: Sequence[str], csv: str) -> None:
    """CSV of model, kind, measure, value: how good each model is.

    trained: directories with a quality.json, of models and teachers that were measured when they were made or adopted.
    judged: files of the same content, of what a teacher made of a model's images, or how an encoder reconstructs.
    """
    rows = []
    for path in [*(Path(directory, "quality.json") for directory in trained), *judged]:
        content = read_json(path)
        rows += content if isinstance(content, list) else [content]
    with whole_file(csv) as scratch:
        pd.DataFrame(rows, columns=["model", "kind", "measure", "value"]).to_csv(
            scratch, index=False, float_format="%.4f"
        )
