"""The persistent vector behaves as a tuple and copies only what changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.core.vector import Vector

values = st.lists(st.integers(), max_size=200)
changes = st.dictionaries(st.integers(0, 199), st.integers(), max_size=8)


@given(values, changes)
def test_an_update_changes_what_it_names(before: list[int], wanted: dict[int, int]) -> None:
    """Named places change, all others and the vector it came from stay."""
    inside = {index: value for index, value in wanted.items() if index < len(before)}
    vector = Vector(before)

    after = vector.updated(inside)

    assert list(after) == [inside.get(n, value) for n, value in enumerate(before)]
    assert list(vector) == before
    assert len(after) == len(before)
    assert [after[n] for n in range(len(before))] == list(after)


@pytest.mark.parametrize("index", [-1, 3, 64])
def test_outside_the_bounds_is_an_error(index: int) -> None:
    """Nothing counts from the end and nothing grows."""
    vector = Vector([1, 2, 3])

    with pytest.raises(IndexError):
        vector.updated({index: 0})
    with pytest.raises(IndexError):
        _ = vector[index]


def test_equality_is_by_value() -> None:
    """Two vectors with the same values are equal, hash alike and print their values."""
    one, other = Vector([1, 2, 3]), Vector([1, 0, 3]).updated({1: 2})

    assert one == other
    assert hash(one) == hash(other)
    assert one != Vector([1, 2])
    assert one != (1, 2, 3)
    assert repr(one) == "Vector([1, 2, 3])"


def test_no_change_is_no_copy() -> None:
    """An empty update is the vector itself."""
    vector = Vector(range(100))

    assert vector.updated({}) is vector


def chunks(vector: Vector[int]) -> tuple[tuple[int, ...], ...]:
    return vector._chunks  # pyright: ignore[reportPrivateUsage]  # sharing cannot be seen from outside


@given(st.integers(1, 2_000), st.sets(st.integers(0, 1_999), max_size=5))
def test_chunks_without_changes_are_shared(size: int, wanted: set[int]) -> None:
    """At most one chunk is copied per changed value, whatever the size."""
    inside = {index: -1 for index in wanted if index < size}
    before = Vector(range(size))

    after = before.updated(inside)

    copied = [new for old, new in zip(chunks(before), chunks(after), strict=True) if new is not old]
    assert len(copied) <= len(inside)
    assert all(len(chunk) <= 64 for chunk in copied)
