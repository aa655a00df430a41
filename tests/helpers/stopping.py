"""What a run that cannot go on must end with."""

import re
from collections.abc import Callable

import pytest

from retort.base.errors import RetortError


def stops(words: tuple[str, ...], run: Callable, *given, **settings) -> str:
    """`run` must end with one error of one line that has all these words (regular expressions); what it said."""
    with pytest.raises(RetortError) as caught:
        run(*given, **settings)
    said = str(caught.value)
    assert "\n" not in said
    for word in words:
        assert re.search(word, said), f"{word!r} is not in: {said}"
    return said
