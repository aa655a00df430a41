"""Which of our classes a set made elsewhere means by each of its names or numbers; never by a guess."""

import csv
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from retort.base.errors import RetortError, some_of
from retort.base.hints import did_you_mean
from retort.data.class_ids import letters_of
from retort.data.layouts.listing import text_of
from retort.data.manifest import ClassEntry

Meaning = dict[str, int]  # their name of a class -> the number of ours
WAY_OUT = "name each of its classes under classes: {theirs: our class id}"


def meant_classes(
    found: Collection[str],
    classes: Sequence[ClassEntry],
    numbered: bool,
    listed: Mapping[int, str] | None = None,
    listed_in: str | None = None,
    given: Mapping[str, str] | None = None,
) -> Meaning:
    """Their name of a class -> our label, for each of the names `found` that is taken.

    numbered: whether these are numbers of labels. listed, listed_in: what their own file says of numbers. given: what
    the config says, which leaves out the classes that it does not name. Without it every name must be a class, and all
    in one way: as an id, as a readable name, or as the number of a label, which counts as our labels do. Raises
    RetortError for names that are no class or mean the same one, and where two ways fit and disagree.
    """
    found = sorted(found, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    if given is not None:
        return _given(found, classes, given)
    if listed is not None and (numbered or _numbered_by(listed, found)):
        if odd := [name for name in found if int(name) not in listed]:
            raise RetortError(f"{listed_in} does not say what the labels {some_of(odd)} are called; {WAY_OUT}")
        names = {name: listed[int(name)] for name in found}
        by_name = _one_way(sorted(set(names.values())), classes, may_be_numbers=False)
        meaning = {number: by_name[name] for number, name in names.items()}
    elif numbered:
        meaning = _numbers(found, classes)
        if odd := [name for name in found if name not in meaning]:
            last, counted = len(classes) - 1, {int(name) for name in found}
            from_one = " (it seems to count from 1)" if min(counted) == 1 and max(counted) == len(classes) else ""
            raise RetortError(f"has labels {some_of(odd)}, and the data set's are 0 to {last}{from_one}; {WAY_OUT}")
    else:
        meaning = _one_way(found, classes, may_be_numbers=not set(found) <= set((listed or {}).values()))
    _refuse_same(meaning, classes)
    return meaning


def _given(found: Sequence[str], classes: Sequence[ClassEntry], given: Mapping[str, str]) -> Meaning:
    ids = {letters_of(entry.id): entry.index for entry in classes}
    if odd := [ours for ours in given.values() if letters_of(ours) not in ids]:
        close = did_you_mean(odd[0], ids)
        raise RetortError(f"classes names {some_of(odd)}, which the data set does not have as class ids{close}")
    held = {_key(name) for name in found}
    if odd := [theirs for theirs in given if _key(theirs) not in held]:
        close = did_you_mean(odd[0], found)
        raise RetortError(f"has no class {some_of(odd)}, which classes names{close}; it has {some_of(found)}")
    if twice := [theirs for theirs in given if sum(_key(theirs) == _key(other) for other in given) > 1]:
        raise RetortError(f"has one class that classes calls {some_of(twice)}; keep one of these")
    meant = {_key(theirs): ids[letters_of(ours)] for theirs, ours in given.items()}
    meaning = {name: meant[_key(name)] for name in found if _key(name) in meant}
    _refuse_same(meaning, classes, "name one of them alone under classes, which leaves the others out")
    return meaning


def _key(name: str) -> str:
    """A name in one spelling; 007 is 7, as YAML has it."""
    return str(int(name)) if name.isdecimal() else letters_of(name)


def _numbered_by(listed: Mapping[int, str], found: Sequence[str]) -> bool:
    """Whether all names are numbers that a list gives names to, and not names of that list themselves."""
    return all(map(str.isdecimal, found)) and not set(found) <= set(listed.values())


def _one_way(found: Sequence[str], classes: Sequence[ClassEntry], may_be_numbers: bool) -> Meaning:
    """The one way to read all the names; may_be_numbers: also as numbers of our labels."""
    ways = {"class ids": _ids(found, classes), "readable names": _readable(found, classes)}
    if may_be_numbers:
        ways["numbers of labels"] = _numbers(found, classes)
    fitting = {way: meaning for way, meaning in ways.items() if len(meaning) == len(found)}
    if len({tuple(sorted(meaning.items())) for meaning in fitting.values()}) > 1:
        (one, first), (other, second) = list(fitting.items())[:2]
        name = next(name for name in found if first[name] != second[name])
        raise RetortError(
            f"calls a class {name!r}, which is {classes[first[name]].id} among {one} and {classes[second[name]].id} "
            f"among {other}; {WAY_OUT}, or put {'classes.csv'} (index, id, name) beside it"
        )
    if fitting:
        return next(iter(fitting.values()))
    raise _no_class(found, classes, ways)


def _no_class(found: Sequence[str], classes: Sequence[ClassEntry], ways: Mapping[str, Meaning]) -> RetortError:
    way, best = max(ways.items(), key=lambda item: len(item[1]))
    odd = [name for name in found if name not in best]
    shared = _shared_names(classes)
    if twice := [name for name in odd if _plain(name) in shared]:
        ids = some_of([classes[i].id for i in shared[_plain(twice[0])]])
        return RetortError(f"calls a class {twice[0]!r}, which is the name of {ids}; {WAY_OUT}")
    if mixed := [name for name in odd if any(name in meaning for meaning in ways.values())]:
        other = next(of for of, meaning in ways.items() if mixed[0] in meaning)
        return RetortError(f"mixes {way} with {other} ({some_of(mixed)}); name all classes in one way, or {WAY_OUT}")
    close = did_you_mean(odd[0], [entry.id for entry in classes] + [_as_a_folder(entry.name) for entry in classes])
    read = f", read as {way}" if best else ""
    return RetortError(
        f"has classes that the data set does not have{read}: {some_of(odd)}{close}; {WAY_OUT}, "
        "which leaves out all that it does not name"
    )


def _refuse_same(meaning: Meaning, classes: Sequence[ClassEntry], way_out: str = WAY_OUT) -> None:
    theirs: dict[int, list[str]] = {}
    for name, label in meaning.items():
        theirs.setdefault(label, []).append(name)
    if twice := [(label, names) for label, names in theirs.items() if len(names) > 1]:
        label, names = twice[0]
        raise RetortError(f"has {some_of(names)} for the one class {classes[label].id}; {way_out}")


# ---------------------------------------------------------------- ways to read a name


def names_as_labels(names: Sequence[str], classes: Sequence[ClassEntry]) -> Meaning:
    """Our label of each name that is a class id of ours, or else the readable name of one class alone."""
    return _readable(names, classes) | _ids(names, classes)


def _ids(found: Sequence[str], classes: Sequence[ClassEntry]) -> Meaning:
    ours = {letters_of(entry.id): entry.index for entry in classes}
    return {name: ours[letters_of(name)] for name in found if letters_of(name) in ours}


def _numbers(found: Sequence[str], classes: Sequence[ClassEntry]) -> Meaning:
    return {name: int(name) for name in found if name.isdecimal() and int(name) < len(classes)}


def _readable(found: Sequence[str], classes: Sequence[ClassEntry]) -> Meaning:
    """By the whole name, or by one of several that commas separate, as ImageNet has them."""
    ours = {name: labels[0] for name, labels in _named(classes).items() if len(labels) == 1}
    return {name: ours[_plain(name)] for name in found if _plain(name) in ours}


def _shared_names(classes: Sequence[ClassEntry]) -> dict[str, list[int]]:
    return {name: labels for name, labels in _named(classes).items() if len(labels) > 1}


def _named(classes: Sequence[ClassEntry]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for entry in classes:
        for name in {_plain(entry.name), *map(_plain, entry.name.split(","))}:
            found.setdefault(name, []).append(entry.index)
    return found


def _as_a_folder(name: str) -> str:
    """A readable name as a folder can have it."""
    return name.replace("/", "-")


def _plain(name: str) -> str:
    """Small letters, with spaces where file names have other marks."""
    return " ".join(_as_a_folder(letters_of(name)).casefold().replace("_", " ").split())


# ---------------------------------------------------------------- their own lists


def read_listing(path: Path) -> dict[int, str]:
    """Number of a label -> its name, from classes.csv (index, id), class_map.txt (one name a line, from 0 on) or
    class_to_idx.json ({name: number}).

    Raises RetortError for a file of another form, and for a number or name twice.
    """
    readers = {".csv": _read_table, ".txt": _read_lines, ".json": _read_json}
    pairs = readers[path.suffix](path)
    for what, items in (("number", [n for n, _ in pairs]), ("name", [name for _, name in pairs])):
        if twice := sorted({str(item) for item in items if items.count(item) > 1}):
            raise RetortError(f"{path} has the {what} {some_of(twice)} twice; each class has one number and one name")
    return dict(pairs)


def _read_table(path: Path) -> list[tuple[int, str]]:
    rows = list(csv.DictReader(text_of(path).splitlines()))
    if not rows or not {"index", "id"} <= set(rows[0]) or not all((row["index"] or "").isdecimal() for row in rows):
        raise RetortError(f"{path} is not the list of classes that its name promises: columns index and id are needed")
    return [(int(row["index"]), row["id"]) for row in rows]


def _read_lines(path: Path) -> list[tuple[int, str]]:
    return [(number, line.strip()) for number, line in enumerate(text_of(path).strip().splitlines())]


def _read_json(path: Path) -> list[tuple[int, str]]:
    try:
        table = json.loads(text_of(path))
    except ValueError as error:
        raise RetortError(f"{path} is no JSON ({error}); it has to be a table of names and numbers") from None
    if not isinstance(table, dict) or not all(type(number) is int for number in table.values()):
        raise RetortError(f'{path} is no table of names and numbers, such as {{"cat": 0, "dog": 1}}')
    return [(number, name) for name, number in table.items()]
