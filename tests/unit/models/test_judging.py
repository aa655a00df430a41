"""Teachers are believed by what they call each class, on as many images as that takes."""

import re

import numpy as np
import pytest

from retort.base.errors import RetortError
from retort.models.judging import check_teacher, swapped_names

TEN = [f"c{i}" for i in range(10)]


def calls(rows: list[list[int]], images: int) -> tuple[np.ndarray, np.ndarray]:
    """called and labels of `images` a class, of which rows[c][k] images of class c are called k."""
    called = [k for row in rows for k, count in enumerate(row) for _ in range(count)]
    assert len(called) == images * len(rows)
    return np.array(called), np.repeat(np.arange(len(rows)), images)


def right_on(hits: int, images: int, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Right on so many of all images, else wrong in no order."""
    labels = np.arange(images) % classes
    shift = 1 + np.arange(images) // classes % (classes - 1)
    return np.where(np.arange(images) < hits, labels, (labels + shift) % classes), labels


def error(*arguments, **more) -> str:
    with pytest.raises(RetortError) as caught:
        check_teacher(*arguments, **more)
    return str(caught.value)


# ---------------------------------------------------------------- better than a guess


@pytest.mark.parametrize("hits", [0, 40, 54])
def test_a_teacher_at_chance_is_refused_by_name_with_causes(hits):
    said = error(*right_on(hits, 400), TEN, "judge")
    assert re.search(r"'judge' reaches top-1 0\.\d+ on the 400 validation images, but a guess scores up to 0\.", said)
    assert "teachers.judge" in said
    assert "too few training steps" in said


def test_the_limit_is_the_exact_binomial_tail():
    """scipy.stats.binom.sf(54, 400, 0.1) is 0.0105 and sf(55, ...) 0.0069: 56 of 400 are no luck."""
    assert "0.138" in error(*right_on(55, 400), TEN, "judge")
    assert check_teacher(*right_on(56, 400), TEN, "judge") == 0.14


def test_more_images_make_the_limit_stricter():
    check_teacher(*right_on(1300, 10_000), TEN, "judge")
    error(*right_on(13, 100), TEN, "judge")


@pytest.mark.parametrize(("images", "classes", "needed"), [(2, 2, 7), (6, 2, 7), (3, 3, 5), (1, 10, 2)])
def test_too_few_images_are_said_with_what_is_enough(images, classes, needed):
    perfect = right_on(images, images, classes)
    said = error(*perfect, TEN[:classes], "judge")
    assert f"{images} validation images are too few to distinguish teacher 'judge' from a guess" in said
    assert "dataset.val_fraction" in said
    assert "teachers.judge.expect" in said
    assert "1.5" not in said
    assert check_teacher(*perfect, TEN[:classes], "judge", expect=0.9) == 1.0


def test_as_many_as_it_takes_are_enough():
    assert check_teacher(*right_on(8, 8, 2), TEN[:2], "judge") == 1.0


def test_always_naming_the_largest_class_is_a_guess():
    labels = np.repeat([0, 1], [90, 10])
    assert "a guess scores up to" in error(np.zeros(100, int), labels, TEN[:2], "judge")
    assert check_teacher(labels.copy(), labels, TEN[:2], "judge") == 1.0


def test_validation_images_of_one_class_cannot_tell():
    assert "a second class" in error(np.zeros(50, int), np.zeros(50, int), TEN[:2], "judge")


# ---------------------------------------------------------------- what is expected


def test_five_points_below_what_is_expected_are_too_many():
    assert "0.970 is expected of it" in error(*right_on(367, 400), TEN, "judge", 0.97)
    assert check_teacher(*right_on(369, 400), TEN, "judge", 0.97) == 0.9225


def test_a_teacher_at_chance_is_refused_even_where_little_is_expected():
    assert "a guess" in error(*right_on(40, 400), TEN, "judge", 0.0)


# ---------------------------------------------------------------- another class order


@pytest.mark.parametrize("classes", [12, 20, 100, 365, 1000])
def test_numbers_that_sort_as_text_are_named_though_some_classes_agree(classes):
    """The teacher knows 0, 1, 2, ...; folders are 0, 1, 10, 11, ...; by the old bar it was better than chance."""
    ids = sorted(map(str, range(classes)))
    labels = np.repeat(np.arange(classes), 40)
    called = np.array([int(ids[label]) for label in labels])
    lost = np.random.default_rng(0).random(len(labels)) < 0.2
    called = np.where(lost, 0, called)
    said = error(called, labels, ids, "judge")
    assert "by each other's names" in said
    if classes <= 20:  # of more, some class is called by its name too rarely here
        assert f"The order that fits what it says is {', '.join(map(str, range(classes)))}. Set dataset.classes" in said


def test_a_class_that_is_mistaken_for_another_is_no_other_order():
    rows = [[10, 0, 0], [9, 1, 0], [0, 0, 10]]  # 1 goes by the name of 0, which 0 has itself
    assert swapped_names(*calls(rows, 10), 3) == {}
    assert check_teacher(*calls(rows, 10), TEN[:3], "judge") == 0.7


def test_several_classes_that_are_called_the_same_are_no_other_order():
    rows = [[0, 0, 10, 0], [0, 0, 10, 0], [0, 10, 0, 0], [0, 0, 0, 10]]
    assert swapped_names(*calls(rows, 10), 4) == {}


@pytest.mark.parametrize(("voice", "found"), [(6, {}), (7, {0: 1, 1: 0})])
def test_a_name_needs_one_voice(voice, found):
    rest = 10 - voice
    rows = [[rest, voice, 0], [voice, rest, 0], [0, 0, 10]]
    assert swapped_names(*calls(rows, 10), 3) == found


def test_a_cycle_is_named_whatever_is_expected():
    labels = np.repeat(np.arange(10), 10)
    called = np.where(labels < 3, (labels + 1) % 3, labels)
    said = error(called, labels, TEN, "judge", expect=0.5)
    assert "3 of 10 classes by each other's names (c0 as c1, c1 as c2, c2 as c0)" in said
    assert "is c2, c0, c1, c3" in said


@pytest.mark.parametrize(("images", "top1"), [(2, 0.5), (3, 0.7), (3, 0.5), (4, 0.4), (20, 0.4)])
def test_a_weak_teacher_of_many_classes_is_not_taken_for_one_of_another_order(images, top1):
    """It confuses each class with four that look alike."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(100), images)
    alike = labels // 5 * 5 + rng.integers(0, 5, len(labels))
    called = np.where(rng.random(len(labels)) < top1, labels, alike)
    assert swapped_names(called, labels, 100) == {}
    check_teacher(called, labels, [f"c{i}" for i in range(100)], "judge")


@pytest.mark.parametrize("images", [1, 2, 3])
def test_few_images_a_class_are_no_voice(images):
    labels = np.repeat(np.arange(4), images)
    assert swapped_names((labels + 1) % 4, labels, 4) == {}


def test_classes_that_only_follow_one_another_are_no_circle():
    rows = [[0, 9, 0, 0, 0, 0], [0, 0, 9, 0, 0, 0], [3, 3, 3, 0, 0, 0], *np.diag([9] * 6).tolist()[3:]]
    assert swapped_names(*calls(rows, 9), 6) == {}


def test_one_image_a_class_is_no_voice():
    assert swapped_names(np.array([1, 0, 2]), np.array([0, 1, 2]), 3) == {}


def test_what_does_not_count_for_images_shown_otherwise_is_not_advised():
    said = error(*right_on(2, 2, 2), TEN[:2], "judge", how=" shown raw")
    assert "Hold out more images" in said
    assert "expect" not in said


def test_how_images_were_shown_is_said():
    said = error(*right_on(40, 400), TEN, "judge", how=" shown images upside down")
    assert "teacher 'judge' shown images upside down reaches" in said
