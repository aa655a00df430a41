"""Class ids: which can name a folder, and which are the same letters in other code points."""

from collections.abc import Iterable, Sequence
from unicodedata import category, normalize

from retort.base.errors import RetortError, some_of

LONGEST_NAME = 255  # bytes of a file's name, on the usual file systems


def letters_of(name: str) -> str:
    """The name in one spelling of its letters: an é may be one code point, or an e and an accent, as macOS has it."""
    return normalize("NFC", name)


def spelt_as(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """The names, each in the code points in which `known` has the same letters, where it does."""
    exact = dict.fromkeys(known)
    by_letters = {letters_of(name): name for name in exact}
    return [name if name in exact else by_letters.get(letters_of(name), name) for name in names]


def refuse_odd_ids(classes: Sequence[str], place: str) -> None:
    """Raises RetortError for class ids that repeat or cannot name a folder: distilled images lie in one per class."""
    repeated = sorted({c for c in classes if classes.count(c) > 1}) if len(set(classes)) < len(classes) else []
    if repeated:
        raise RetortError(f"{place}: classes named twice: {some_of(repeated)}; name each once")
    letters = [letters_of(c) for c in classes]
    if len(set(letters)) < len(letters):
        alike = [c for c, same in zip(classes, letters, strict=True) if letters.count(same) > 1]
        raise RetortError(f"{place}: the same letters in other code points are two classes: {some_of(alike)}; keep one")
    if odd := [c for c in classes if not _names_a_folder(c)]:
        raise RetortError(
            f"{place}: {some_of([repr(c) for c in odd])} cannot name a folder; a class id is not empty, has no slash "
            "and no line break or other control character, does not begin with a dot and is at most "
            f"{LONGEST_NAME} bytes long"
        )


def _names_a_folder(class_id: str) -> bool:
    """Control characters and undecodable bytes would break the lists of classes, which have one to a line."""
    if not class_id or class_id.startswith(".") or set(class_id) & set("/\\"):
        return False
    return not {"Cc", "Cs"} & set(map(category, class_id)) and len(class_id.encode()) <= LONGEST_NAME
