"""Whether classes can be told apart, and their order is certain, where something from elsewhere depends on it."""

from collections.abc import Sequence

from retort.base.errors import RetortError, some_of
from retort.base.hints import did_you_mean
from retort.base.paths import path_of_source
from retort.config.schema import Config
from retort.data.class_ids import letters_of
from retort.data.classes import given_names, known_ids
from retort.data.imagenet import imagenet_names
from retort.data.prompts import alike, prompted_alike

BY_FOLDER_NAME = ("folder", "huggingface")  # kinds of data set whose classes are in the order of their folders' names


def refuse_uncertain_order(config: Config, classes: Sequence[str]) -> None:
    """Raises RetortError where class ids are whole numbers that sort otherwise as text, and nobody says their order.

    As text 10 comes before 2. A head or a class table that was trained elsewhere is mostly in the order of the
    numbers, and a few classes at the beginning agree, so a measurement of it does not look like chance.
    """
    dataset = config.dataset
    if dataset.classes or dataset.kind not in BY_FOLDER_NAME or dataset.written_out:
        return
    if not all(c.isdecimal() for c in classes) or sorted(classes, key=int) == list(classes):
        return
    if readers := _readers_of_the_order(config):
        by_number = sorted(classes, key=int)
        raise RetortError(
            f"dataset.classes: class ids are whole numbers, and folders sort as text ({some_of(classes, 5)}), but "
            f"{', '.join(readers)} was trained elsewhere on classes in an order that nobody says. Say it: classes: "
            f"[{', '.join(repr(c) for c in by_number[:3])}, ...] for the order of the numbers, or the order above."
        )


def refuse_same_prompts(config: Config, classes: Sequence[str]) -> None:
    """Raises RetortError where the names that the config gives make a text-to-image model take classes for one.

    Names that come with the data are looked at by the first job that uses such a model.
    """
    given = given_names(config.dataset, classes)
    if not any(model.kind in ("sd", "sdxl") for model in config.models.values()):
        return
    known = imagenet_names() if config.dataset.kind == "imagenet" else {}
    names = {c: given.get(c, known.get(c, c)) for c in classes}
    for ids in prompted_alike(names):
        if any(c in given for c in ids):
            raise RetortError(f"dataset.class_names: {alike(ids, names)}")


def refuse_unknown_names(config: Config, classes: Sequence[str]) -> None:
    """Raises RetortError for a key of `class_names` that is no class of the data set, not even one left out here."""
    unknown = sorted(set(given_names(config.dataset, classes)) - set(classes))
    known = known_ids(config.dataset) if unknown else None
    if known is None:
        return
    letters = set(map(letters_of, known))
    if unknown := [name for name in unknown if letters_of(name) not in letters]:
        raise RetortError(
            f"dataset.class_names: no class is called {some_of([repr(name) for name in unknown])}"
            f"{did_you_mean(unknown[0], known) or ';'} keys are class ids, such as {some_of(list(classes), 4)}"
        )


def _readers_of_the_order(config: Config) -> list[str]:
    """What takes the data set's order for that of its own head; a teacher saved by Retort says which classes it has."""
    teachers = [
        f"teachers.{name}"
        for name, teacher in config.teachers.items()
        if teacher.source and (teacher.classes == "dataset" or (teacher.classes is None and not _says(teacher.source)))
    ]
    models = [
        f"models.{name}"
        for name, model in config.models.items()
        if model.kind == "dit" and model.source and model.classes == "dataset"
    ]
    return teachers + models


def _says(source: str) -> bool:
    """Whether the classes of its head are written beside a checkpoint."""
    place = path_of_source(source)
    return ((place if place.is_dir() else place.parent) / "teacher.json").is_file()
