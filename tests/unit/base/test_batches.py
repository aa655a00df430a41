"""Batches: an item's place in its batch is its own, whatever shard it is computed in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.base.batches import alone_on_grid, in_batches, kept_places, on_grid, sets_on_grid

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


# ---------------------------------------------------------------- sets

numbers, togethers = st.integers(1, 30), st.integers(1, 12)


def companies(first: int, count: int, number: int, together: int, size: int) -> dict[int, tuple]:
    """Item -> (its set, its place in its batch, how many places the batch has), of those that are kept."""
    found = {}
    for batch in sets_on_grid(first, count, number, together, size):
        of_place = {place: rows for rows in batch.sets for place in rows}
        for place in batch.kept:
            company = tuple(batch.numbers[row] for row in of_place[place])
            assert batch.numbers[place] not in found
            found[batch.numbers[place]] = (company, place, len(batch.numbers))
    return found


@given(st.integers(0, 20), st.integers(1, 6), numbers, togethers, sizes)
def test_sets_are_of_one_group_and_cover_it_in_order(first, count, number, together, size):
    found = companies(first, count, number, together, size)
    assert sorted(found) == list(range(first * number, (first + count) * number))
    for item, (company, _, _) in found.items():
        group, begin = item // number, item % number // together * together
        end = min(begin + together, number)
        assert company == tuple(range(group * number + begin, group * number + end))


@given(st.integers(0, 20), st.integers(2, 6), numbers, togethers, sizes)
def test_an_item_has_the_same_company_and_place_whichever_groups_are_computed(first, count, number, together, size):
    whole = companies(first, count, number, together, size)
    for group in range(first, first + count):
        alone = companies(group, 1, number, together, size)
        assert alone == {item: whole[item] for item in alone}


@given(st.integers(0, 20), st.integers(1, 6), numbers, togethers, sizes)
def test_batches_have_whole_sets_and_as_many_as_fit(first, count, number, together, size):
    batches = list(sets_on_grid(first, count, number, together, size))
    places = min(together, number)
    assert {len(batch.numbers) for batch in batches} == {max(1, size // places) * places}
    for batch in batches:
        assert set(batch.numbers) <= set(range(first * number, (first + count) * number))
        rows = [row for of_set in batch.sets for row in of_set]
        assert len(rows) == len(set(rows))
        assert set(batch.kept) <= set(rows)


@given(firsts, counts, sizes)
def test_items_that_are_alone_are_batched_on_the_grid(first, count, size):
    batches = list(alone_on_grid(first, count, size))
    assert [batch.numbers for batch in batches] == list(on_grid(first, count, size))
    kept = [batch.numbers[place] for batch in batches for place in batch.kept]
    assert kept == list(range(first, first + count))
    assert all(batch.sets is None for batch in batches)
