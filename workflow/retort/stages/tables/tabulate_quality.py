"""The table of measures beyond accuracy."""

from collections.abc import Sequence

import pandas as pd

from retort.base.files import read_json, whole_file

COLUMNS = ["dataset", "method", "ipc", "teacher", "measure", "value", "n_real", "n_distilled", "note"]
NOTES = {
    "fid": "biased upwards for few images; compare equal n_real and n_distilled only",
    "kid": "noisy for few images, and low for few of few balanced classes; compare equal n_real and n_distilled only",
}
OTHERS = "mean over classes; compare equal n_real and n_distilled only"


def tabulate_quality(measured: Sequence[str], csv: str) -> None:
    """CSV of COLUMNS from the rows of `measure_quality`, in the order in which they come."""
    rows = [row | {"note": NOTES.get(row["measure"], OTHERS)} for path in measured for row in read_json(path)]
    with whole_file(csv) as scratch:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(scratch, index=False, float_format="%.6g")
