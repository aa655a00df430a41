"""Sets that were made elsewhere: whether they are there, and what tells that they have changed."""

from collections.abc import Iterator
from pathlib import Path

from retort.artifacts.imported import ORIGIN
from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.data.elsewhere.forms import FORMS, set_stamp
from retort.data.layouts.instead import near_folder
from retort.plan.plan import Plan


def stamp_of_import(path: str, imported: str | Path) -> str | None:
    """The state of a set's files; of a set that is gone, the state in which it was imported from this path."""
    now, record = set_stamp(path), Path(imported, ORIGIN)
    if now or not record.is_file():
        return now
    origin = read_json(record)
    return origin["stamp"] if origin["source"] == path else None


def refuse_absent_sets(plan: Plan, data: Path) -> None:
    """Raises RetortError, before anything runs, for each wanted set that is neither at its path nor imported.

    data: the folder of the data set's results.
    """
    if lines := list(_absent(plan, data)):
        raise RetortError("\n  - ".join(["a set that the config imports is not there:", *lines]))


def _absent(plan: Plan, data: Path) -> Iterator[str]:
    imports = plan.methods_that("import_set")
    for row in plan.wanted("method", "ipc", methods=imports):
        path = plan.images_of(**row)
        if stamp_of_import(path, data / "imported" / row["method"] / f"ipc{row['ipc']}") is None:
            yield f"methods.{row['method']}.images: there is no {path}{near_folder(Path(path))}; give {FORMS}"
