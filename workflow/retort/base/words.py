"""Numbers with what they count."""

ALL = "all"  # the number of images per class of a method that takes the whole training set


def counted(number: int, one: str, more: str = "") -> str:
    """ "1 image", "1,397 images"; `more` where the plural is not `one` with an s."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def images_per_class(ipc: str) -> str:
    """How large a set is, from the name of its folder: "1 image per class", "all images"."""
    return "all images" if ipc == ALL else f"{counted(int(ipc), 'image')} per class"
