"""The run table: one row per student to train, from which every target of the DAG comes."""

import pandas as pd

from retort.base.words import ALL
from retort.config.schema import Config

COLUMNS = ["method", "ipc", "protocol", "student", "seed"]


def run_table(config: Config) -> pd.DataFrame:
    """Every (method, ipc, protocol, student, seed) that `runs` asks for, each once.

    `ipc` is a string, since it names a folder: a number, or "all" for methods that select everything. `seed`
    counts from 0; where two runs ask for the same students, the larger number of seeds holds.
    """
    rows = [
        (method, ALL if config.methods[method].is_everything() else str(ipc), protocol, student, seed)
        for run in config.runs
        for method in run.methods
        for ipc in run.ipc or [ALL]
        for protocol in run.protocols
        for student in run.students
        for seed in range(run.students_each(config.dataset.resolution))
    ]
    return pd.DataFrame(rows, columns=COLUMNS).drop_duplicates(ignore_index=True)
