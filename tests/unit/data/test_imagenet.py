"""The order of ImageNet's classes and of the subsets, held against what the field publishes."""

from typing import get_args

import pytest
from timm.data import ImageNetInfo

from retort.base.errors import RetortError
from retort.data.imagenet import FULL, imagenet_classes, imagenet_names, subset_classes, subset_names
from retort.parts.layouts import ImageNetSubset


def test_order_and_names_are_those_of_timms_heads():
    info = ImageNetInfo()
    assert list(imagenet_classes()) == info.label_names()
    assert all(info.index_to_label_name(i) == wnid for i, wnid in enumerate(imagenet_classes()))
    assert imagenet_names()["n01440764"] == "tench, Tinca tinca"
    assert set(imagenet_names()) == set(imagenet_classes())
    assert len(set(imagenet_classes())) == 1000


def test_two_classes_share_a_name_and_are_told_apart_by_wnid():
    """Position or name would confuse the bird with the machine."""
    assert [wnid for wnid, name in imagenet_names().items() if name.split(",")[0] == "crane"] == [
        "n02012849",
        "n03126707",
    ]


@pytest.mark.parametrize("name", subset_names())
def test_subsets_hold_distinct_classes_of_the_thousand(name):
    classes = subset_classes(name)
    assert len(set(classes)) == len(classes) == {FULL: 1000, "tiny-imagenet": 200, "imagenet-100": 100}.get(name, 10)
    assert set(classes) <= set(imagenet_classes())


def test_imagenette_is_the_published_ten():
    """As listed in fastai's imagenette repository."""
    assert subset_classes("imagenette") == (
        *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
        *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
    )


def test_tiny_imagenets_classes_are_sorted_as_its_folders_are():
    assert list(subset_classes("tiny-imagenet")) == sorted(subset_classes("tiny-imagenet"))
    assert subset_classes("tiny-imagenet")[::100] == ("n01443537", "n03255030")


def test_config_offers_the_subsets_that_there_are():
    assert get_args(ImageNetSubset) == subset_names()


def test_an_unknown_subset_is_refused():
    with pytest.raises(RetortError, match=r"no subset 'imagewuff'.*imagewoof"):
        subset_classes("imagewuff")
