"""Classes that a text-to-image model would be asked for by the same words."""

import pytest

from retort.data.imagenet import imagenet_names
from retort.data.prompts import first_name, named_by_imagenet, prompted_alike


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("crane", "crane, machine", True),
        ("Cardigan", "cardigan", True),
        ("great  tit", "great tit", True),
        ("café", "cafe\u0301", True),
        ("crane", "cranes", False),
        ("wren, bird", "robin, bird", False),
        ("", "", False),  # refused for having no name
    ],
)
def test_names_that_a_tokenizer_takes_for_one_are_found(one, other, same):
    assert prompted_alike({"a": one, "b": other, "c": "something else"}) == ([["a", "b"]] if same else [])


def test_imagenet_has_three_such_pairs():
    names = imagenet_names()
    found = {first_name(names[ids[0]]).lower(): ids for ids in prompted_alike(names)}
    assert found.keys() == {"crane", "cardigan", "maillot"}
    assert all(len(ids) == 2 and named_by_imagenet(ids, names) for ids in found.values())
    assert not named_by_imagenet(found["crane"], names | {found["crane"][0]: "crane, bird"})
