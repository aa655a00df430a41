"""Which classes a data set has, and in what order; asked before anything is planned, so kept light."""

from pathlib import Path

from retort.errors import RetortError

DIGITS = [str(digit) for digit in range(10)]


def digit_classes(wanted: list[str] | None) -> list[str]:
    """The digits in label order: `wanted` if given, else 0 to 9. Raises RetortError for what is no digit."""
    if strange := [c for c in wanted or [] if c not in DIGITS]:
        raise RetortError(f"dataset.classes: the digits have no class {', '.join(strange)}; they are '0' to '9'")
    return wanted or DIGITS


def list_folder_classes(path: Path, wanted: list[str] | None) -> list[str]:
    """Class ids of an image folder in label order: `wanted` if given, else the folder names, sorted.

    Raises RetortError when the folder is missing, has no class folders, or lacks a wanted class.
    """
    root = path / "train" if (path / "train").is_dir() else path
    if not root.is_dir():
        raise RetortError(f"dataset.path: there is no folder {path}; give the folder that holds one folder per class")
    found = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if missing := [c for c in wanted or [] if c not in found]:
        raise RetortError(f"dataset.classes: {root} has no folder {', '.join(missing)}; it has {some_of(found)}")
    classes = wanted or found
    if len(classes) < 2:
        raise RetortError(
            f"dataset.path: {root} has {len(found)} class folders; "
            "at least two are needed, one folder of images per class"
        )
    return classes


def folder_stamp(path: Path, classes: list[str]) -> list[str]:
    """When each class folder last gained or lost a file; cheap enough to ask at every start."""
    roots = [path / "train", path / "val"] if (path / "train").is_dir() else [path]
    folders = [root / class_id for root in roots for class_id in classes]
    return [f"{folder}:{folder.stat().st_mtime_ns}" for folder in folders if folder.is_dir()]


def some_of(names: list[str], most: int = 8) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:most]) + (
        f" and {len(names) - most} more" if len(names) > most else "" if names else "none"
    )


def class_list(dataset) -> list[str]:
    """Class ids in label order for the `dataset` part of the config. Raises RetortError as the functions above."""
    if dataset.kind == "digits":
        return digit_classes(dataset.classes)
    return list_folder_classes(Path(dataset.path), dataset.classes)
