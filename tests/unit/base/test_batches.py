"""Batches: an item's place in its batch is its own, whatever shard it is computed in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.base.batches import in_batches, kept_places, on_grid

firsts, counts, sizes = st.integers(0, 200), st.integers(1, 100), st.integers(1, 40)


def places(first: int, count: int, size: int) -> dict[int, tuple[int, int]]:
    """Number -> (batch counted from number 0, place in it), for every number that stands at a place of its own."""
    batches = list(on_grid(first, count, size))
    return {
        (first // size + b) * size + place: (first // size + b, place)
        for b, batch in enumerate(batches)
        for place, number in enumerate(batch)
        if number == (first // size + b) * size + place
    }


@given(firsts, counts, sizes)
def test_grid_covers_the_range_once_and_pads_with_numbers_inside_it(first, count, size):
    batches = list(on_grid(first, count, size))
    assert {len(batch) for batch in batches} == {size}
    assert {number for batch in batches for number in batch} == set(range(first, first + count))
    assert sorted(places(first, count, size)) == list(range(first, first + count))


@given(firsts, counts, sizes)
def test_grid_makes_no_batch_that_is_all_padding(first, count, size):
    batches = list(on_grid(first, count, size))
    assert len(batches) == (first + count - 1) // size - first // size + 1


@given(st.integers(1, 60), st.integers(1, 8), sizes, st.data())
def test_item_has_the_same_place_however_the_range_is_cut_into_shards(total, ipc, size, data):
    whole = places(0, total * ipc, size)
    cuts = sorted(data.draw(st.sets(st.integers(1, total), max_size=5)) | {0, total})
    for start, end in pairwise(cuts):
        shard = places(start * ipc, (end - start) * ipc, size)
        assert shard == {n: whole[n] for n in range(start * ipc, end * ipc)}


@given(firsts, counts, sizes)
def test_kept_places_are_those_that_hold_a_number_of_their_own_each_number_once(first, count, size):
    kept = {}
    for b, batch in enumerate(on_grid(first, count, size)):
        for place in kept_places(batch, size):
            assert batch[place] not in kept
            kept[batch[place]] = (first // size + b, place)
    assert kept == places(first, count, size)


def test_grid_by_example():
    assert list(on_grid(5, 4, 4)) == [[5, 5, 6, 7], [8, 8, 8, 8]]
    assert kept_places([5, 5, 6, 7], 4) == [1, 2, 3]
    assert kept_places([8, 8, 8, 8], 4) == [0]


@pytest.mark.parametrize(
    ("count", "size", "expected"), [(5, 2, [[0, 1], [2, 3], [4]]), (4, 2, [[0, 1], [2, 3]]), (1, 9, [[0]]), (0, 3, [])]
)
def test_plain_batches_are_consecutive_and_only_the_last_is_shorter(count, size, expected):
    assert list(in_batches(iter(range(count)), size)) == expected


def test_plain_batches_take_no_more_items_than_they_give():
    items = iter(range(10))
    next(in_batches(items, 3))
    assert next(items) == 3
