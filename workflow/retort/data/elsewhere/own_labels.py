"""What the soft labels of a set made elsewhere mean: probabilities or logits, and which column is which class."""

from collections.abc import Mapping, Sequence

import numpy as np

from retort.base.errors import RetortError, some_of
from retort.data.elsewhere import FoundSet
from retort.data.elsewhere.class_names import Meaning, names_as_labels
from retort.data.elsewhere.tensor_files import Rows
from retort.data.manifest import ClassEntry

KINDS = {"logits": "logits", "probabilities": "probabilities"}  # what a name says; others say nothing
SUM_WITHIN = 2e-3  # of 1: half precision rounds each of a thousand numbers
NOTHING = -1e6  # the logit of a class without probability: no share of it is left at any temperature
WAY_OUT = "put classes.csv (index, id) beside it, which says the class of each column"


def chosen(named: Mapping[str, Rows], stated: str | None) -> tuple[str, str]:
    """(name, kind) of the soft labels that count, kind one of "logits" and "probabilities".

    stated: the kind by the config. Raises RetortError where that leaves none or several, and where labels whose name
    says nothing are no probabilities, or logits look like them.
    """
    fitting = [name for name in named if stated is None or KINDS.get(name, stated) == stated]
    if len(fitting) != 1:
        found = f"has {some_of(list(named))}" + (f", and the config states {stated}" if stated else "")
        way = "take the others away" if stated else "state soft_labels: logits or probabilities"
        raise RetortError(f"{found}, so it is not clear which are its soft labels; {way}")
    name = fitting[0]
    kind, looks = stated or KINDS.get(name), _not_probabilities(named[name])
    if kind is None and looks is None:
        kind = "probabilities"
    if kind is None:
        raise RetortError(f"{name} are no probabilities ({looks}); call them logits, or state soft_labels: logits")
    if kind == "probabilities" and looks:
        raise RetortError(f"{name} are no probabilities ({looks}); state soft_labels: logits if they are logits")
    if kind == "logits" and stated is None and looks is None:
        raise RetortError(
            f"{name} look like probabilities (no number is below 0, and every row sums to 1); call them probabilities, "
            "or state soft_labels"
        )
    return name, kind


def _not_probabilities(rows: Rows) -> str | None:
    """Why these are not probabilities; None where they are. Raises RetortError for numbers that are not finite."""
    reason = None
    for number, row in enumerate(rows.all()):
        values = np.asarray(row, np.float64)
        if not np.isfinite(values).all():
            raise RetortError(f"the soft label of row {number} is not finite; make it again")
        if reason is None and values.min() < 0:
            reason = f"row {number} has {values.min():.4g}"
        if reason is None and abs(values.sum() - 1) > SUM_WITHIN:
            reason = f"row {number} sums to {values.sum():.4g}"
    return reason


def columns_of(
    width: int, found: FoundSet, meaning: Meaning, classes: Sequence[ClassEntry], given: bool
) -> tuple[list[int], str]:
    """Which of `width` columns is each of our classes, in label order, and in words how this is known.

    meaning: our label of each name by which the set calls a class. given: whether the config says it, which may leave
    classes out, and with them their columns. Where nothing says the order and two usual ones disagree, none is guessed:
    raises RetortError, as for classes without a column and for columns without a class.
    """
    names = dict(enumerate(found.columns)) if found.columns is not None else found.listed
    where = found.columns_in or found.listed_in
    if names is not None and set(names) != set(range(width)):
        raise RetortError(
            f"has {width} columns of soft labels, and {where} has {len(names)} classes; each has a column"
        )
    if names is not None and not found.numbered:
        label_of, how = _by_listed_names(names, found, meaning, classes), f"in the order of {where}"
    elif found.numbered:
        label_of, how = {int(name): label for name, label in meaning.items()}, "by the numbers of its class labels"
        if width != len(classes) and not given and names is None:
            held = f"has {width} columns of soft labels, and the data set has {len(classes)} classes"
            raise RetortError(f"{held}; {WAY_OUT}")
    else:
        label_of, how = _only_order(width, found, meaning, len(classes)), "in the order of the classes"
    column: dict[int, int] = {}
    for number, label in sorted(label_of.items()):
        if label in column:
            raise RetortError(f"has two columns of soft labels, {column[label]} and {number}, for {classes[label].id}")
        column |= {label: number} if 0 <= number < width else {}
    if missing := [entry.id for entry in classes if entry.index not in column]:
        raise RetortError(f"has no column of soft labels for {some_of(missing)}; {WAY_OUT}")
    return [column[entry.index] for entry in classes], how


def _by_listed_names(
    names: Mapping[int, str], found: FoundSet, meaning: Meaning, classes: Sequence[ClassEntry]
) -> dict[int, int]:
    """Number of a column -> our label, of those columns whose name is a class of ours."""
    numbers = {int(name): label for name, label in meaning.items() if name.isdecimal()}
    if len(numbers) == len(meaning) and not set(meaning) & set(names.values()):
        return numbers  # images lie in folders by number, which the list gives their names
    known = meaning if set(meaning) <= set(names.values()) else names_as_labels(sorted(names.values()), classes)
    return {number: known[name] for number, name in names.items() if name in known}


def _only_order(width: int, found: FoundSet, meaning: Meaning, classes: int) -> dict[int, int]:
    """Columns of a set whose classes have names and no numbers: only where our order is also that of their names, as
    loaders number folders, or of the numbers that they are called by."""
    if width != classes or len(meaning) != len(set(found.classes)):
        raise RetortError(f"has {width} columns of soft labels, of which nothing says the classes; {WAY_OUT}")
    orders = [sorted(meaning)]
    orders += [sorted(meaning, key=int)] if all(map(str.isdecimal, meaning)) else []
    for order in orders:
        for number, name in enumerate(order):
            if meaning[name] != number:
                raise RetortError(
                    f"has soft labels of which nothing says the order of the classes: column {number} may be {name!r}, "
                    f"as folders are sorted, or the data set's class number {number}; {WAY_OUT}"
                )
    return {number: number for number in range(width)}


def as_logits(row: np.ndarray, kind: str, columns: Sequence[int]) -> tuple[np.ndarray, float]:
    """(K,) float32 logits of our classes from a row of soft labels, and the share of it that other columns had.

    Of probabilities p they are log p, whose softmax is p; a probability of 0 becomes `NOTHING`.
    """
    values = np.asarray(row, np.float64)
    kept = values[list(columns)]
    if kind == "logits":
        shares = np.exp(values - values.max())
        return kept.astype(np.float32), float(1 - shares[list(columns)].sum() / shares.sum())
    total = values.sum()
    if kept.sum() <= 0:
        return np.full(len(kept), NOTHING, np.float32), 1.0
    logits = np.full(len(kept), NOTHING)
    logits[kept > 0] = np.log(kept[kept > 0] / kept.sum())
    return logits.astype(np.float32), float(1 - kept.sum() / total)
