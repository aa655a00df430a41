"""Tables as files inside the page: what its reader can take from it when it is sent alone."""

import base64
import gzip
from collections.abc import Sequence
from pathlib import Path

from retort.report.words import size

LARGE = 500_000  # bytes; above it, a table is compressed


def inside(paths: Sequence[str]) -> list[dict]:
    """For each file its name to save it by, a data URI, and the size of the saved file in words.

    A large one is compressed, and so are its name and size: an ImageNet's accuracies by class would fill the page.
    """
    found = []
    for path in map(Path, paths):
        name, kind, content = path.name, "text/csv", path.read_bytes()
        if len(content) > LARGE:
            name, kind, content = f"{name}.gz", "application/gzip", gzip.compress(content, mtime=0)
        source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        found.append({"name": name, "src": source, "size": size(len(content))})
    return found
