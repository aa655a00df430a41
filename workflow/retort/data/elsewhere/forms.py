"""In which form a set that was made elsewhere lies at a path, and which files it is read from."""

import os
import re
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.data.layouts.instead import near_folder
from retort.data.layouts.listing import folder_names, holds_image, is_junk
from retort.data.layouts.shards import TRAIN_NAMES
from retort.data.stamps import stamp_of
from retort.data.stores import ARCHIVE

TENSORS = (".safetensors", ".npz", ".pt", ".pth")
FORMS = "a folder with one folder per class, a zip archive of one, Parquet, or a tensor file (.safetensors, .npz, .pt)"
CLASS_LISTS = ("classes.csv", "class_map.txt", "class_to_idx.json")


def form_of(path: Path) -> str:
    """One of "folders", "archive", "parquet" and "tensors".

    Raises RetortError where nothing is there, where it is none of these, and where it is two of them.
    """
    if path.is_dir():
        return _form_of_folder(path)
    if not path.exists():
        raise RetortError(f"there is no {path}{near_folder(path)}; give {FORMS}")
    kind = path.suffix.lower()
    form = "archive" if kind == ".zip" else "parquet" if kind == ".parquet" else "tensors" if kind in TENSORS else None
    if form is None:
        raise RetortError(f"{path} is no set of images by its name; give {FORMS}")
    return form


def _form_of_folder(path: Path) -> str:
    held = {
        "folders": [name for name in folder_names(path) if _holds_images(path / name)],
        "archive": [ARCHIVE] if (path / ARCHIVE).is_file() else [],
        "parquet": [file.name for file in shards_in(path)],
    }
    forms = [form for form, names in held.items() if names]
    if len(forms) > 1:
        listed = " and ".join(some_of(held[form], 2) for form in forms)
        raise RetortError(f"{path} holds {listed}, which are sets of two forms; give the path of one of them")
    if not forms:
        raise RetortError(f"{path} holds {_held_instead(path)}, and no images in folders by class; give {FORMS}")
    return forms[0]


def _holds_images(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(holds_image(entry) for entry in entries)


def _held_instead(path: Path) -> str:
    folders = folder_names(path)
    if deeper := [name for name in folders if any(_holds_images(path / name / x) for x in folder_names(path / name))]:
        return f"folders with folders of images in them ({some_of(deeper)}): one of these may be meant"
    tensors = sorted(file.name for file in path.iterdir() if file.suffix.lower() in TENSORS)
    if tensors:
        return f"tensor files ({some_of(tensors)}), of which one is to be named"
    loose = sorted(file.name for file in path.iterdir() if not file.is_dir() and not is_junk(file.name))
    return some_of([*folders, *loose]) if folders or loose else "nothing"


def shards_in(path: Path) -> list[Path]:
    """The Parquet file at a path; or in a folder, or its data/, the shards of a training split, or else all shards.

    Raises RetortError for a folder of several splits, none of which is a training split.
    """
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.parquet")) or sorted((path / "data").glob("*.parquet"))
    splits: dict[str, list[Path]] = {}
    for shard in found:
        splits.setdefault(re.sub(r"(-\d+.*)?\.parquet", "", shard.name), []).append(shard)
    if train := next((splits[name] for name in TRAIN_NAMES if name in splits), None):
        return train
    if len(splits) > 1 and not all(name.isdigit() for name in splits):
        raise RetortError(
            f"{path} holds shards called {some_of(sorted(splits))}, and none is called train; name a file"
        )
    return found


def listing_beside(path: Path) -> Path | None:
    """The file in a set's folder, or beside its file, that says what its labels are called."""
    folder = path if path.is_dir() else path.parent
    return next((folder / name for name in CLASS_LISTS if (folder / name).is_file()), None)


def files_of(path: Path) -> list[Path]:
    """The files and folders whose state is the state of the set; none where nothing is there, or nothing of a form."""
    try:
        form = form_of(path)
        inner = [path / name for name in folder_names(path)] if form == "folders" else []
        shards = shards_in(path) if form == "parquet" else []
    except (RetortError, FileNotFoundError, NotADirectoryError):
        return [path]
    archive = [path / ARCHIVE if path.is_dir() else path]
    # A folder's own state changes with whatever lies beside the classes; of the classes, each has its state.
    whole = {"folders": inner, "parquet": shards, "archive": archive, "tensors": [path]}[form]
    beside = listing_beside(path)
    return [*whole, *([beside] if beside else [])]


def set_stamp(path: str) -> str | None:
    """Changes with the files of a set; None where nothing is at its path."""
    return stamp_of(files_of(Path(path)), within=True) if Path(path).exists() else None
