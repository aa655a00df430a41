"""Where the soft labels that a set brings are from, as the file of its labels says; read while a run is planned."""

import json
from pathlib import Path

from retort.base.tensors import read_metadata

RECORD = "record"


def own_record(path: str | Path) -> dict:
    """What `import_labels` recorded of the labels in its file (see there)."""
    return json.loads(read_metadata(path)[RECORD])
