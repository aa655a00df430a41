"""Sets that were made elsewhere, and their soft labels: whether they are there, and what tells that they changed."""

from collections.abc import Iterator
from pathlib import Path

from retort.artifacts.imported import ORIGIN
from retort.artifacts.own_labels import own_record
from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.data.elsewhere import SOFT
from retort.data.elsewhere.forms import FORMS, set_stamp
from retort.data.elsewhere.label_files import BESIDE, label_stamp, names_at
from retort.data.layouts.instead import near_folder
from retort.plan.plan import Plan


def stamp_of_import(path: str, imported: str | Path) -> str | None:
    """The state of a set's files; of a set that is gone, the state in which it was imported from this path."""
    now, record = set_stamp(path), Path(imported, ORIGIN)
    if now or not record.is_file():
        return now
    origin = read_json(record)
    return origin["stamp"] if origin["source"] == path else None


def stamp_of_labels(path: str, labels: str | Path) -> str | None:
    """The same of the file with a set's own soft labels, which were imported into `labels`."""
    now = label_stamp(path)
    if now or not Path(labels).is_file():
        return now
    record = own_record(labels)
    return record["stamp"] if record["source"] == path else None


def refuse_absent_sets(plan: Plan, data: Path) -> None:
    """Raises RetortError, before anything runs, for each wanted set that is neither at its path nor imported.

    data: the folder of the data set's results.
    """
    if lines := list(_absent(plan, data)):
        raise RetortError("\n  - ".join(["a set that the config imports is not there:", *lines]))
    if lines := list(_without_labels(plan, data)):
        raise RetortError("\n  - ".join(["a protocol has labels: own, and a set brings none:", *lines]))


def labels_path(data: Path, method: str, ipc: str) -> Path:
    """Where the own labels of a set are, below the folder of the data set's results."""
    return data / "own-labels" / method / f"ipc{ipc}.safetensors"


def _without_labels(plan: Plan, data: Path) -> Iterator[str]:
    for row in plan.sets_with_own_labels():
        path = plan.images_of(**row)
        absent = stamp_of_labels(path, labels_path(data, **row)) is None
        if absent or names_at(path) == []:
            yield (
                f"methods.{row['method']}.images: {path} has no soft labels; in its file they are called "
                f"{', '.join(SOFT)}, and beside class folders they lie in {BESIDE}.npz or .safetensors"
            )


def _absent(plan: Plan, data: Path) -> Iterator[str]:
    imports = plan.methods_that("import_set")
    for row in plan.wanted("method", "ipc", methods=imports):
        path = plan.images_of(**row)
        if stamp_of_import(path, data / "imported" / row["method"] / f"ipc{row['ipc']}") is None:
            yield f"methods.{row['method']}.images: there is no {path}{near_folder(Path(path))}; give {FORMS}"
