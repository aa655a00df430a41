"""Whether a class has as many images as are wanted of it."""

from retort.base.errors import RetortError
from retort.data.manifest import ClassEntry


def check_enough(entry: ClassEntry, wanted: int, found: int) -> None:
    """Raises RetortError naming the class where fewer images, real or generated, are there to choose from."""
    if found < wanted:
        raise RetortError(
            f"class {entry.id}: {wanted} images are wanted of {found}; lower ipc in runs, or the method's pool"
        )
