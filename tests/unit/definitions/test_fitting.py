"""Whether what one step gives may go where another takes it: only what is certainly wrong is not."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, TypeVar

import pytest
from pydantic import BaseModel

from flowrunner.definitions.fitting import fits, is_optional, member_of, named, without_none

T = TypeVar("T")
Path = NewType("Path", str)


class Animal(BaseModel):
    name: str = ""


class Dog(Animal):
    pass


class Row(TypedDict):
    name: str


class Odd(type):
    def __subclasscheck__(cls, subclass: type) -> bool:
        raise TypeError


class Strange(metaclass=Odd):
    pass


@pytest.mark.parametrize(
    ("gives", "takes"),
    [
        (int, int),
        (bool, int),
        (int, float),
        (int, Any),
        (Any, int),
        (int, object),
        (Dog, Animal),
        (int, int | None),
        (None, int | None),
        (None, None),
        (int | str, str | int | None),
        (list[int], list),
        (list, list[int]),
        (list[int], list[float]),
        (list[Dog], Sequence[Animal]),
        (list[Dog], Iterable[Animal]),
        (list[int | None], list[Optional[int]]),  # noqa: UP045  # the old way of writing it
        (dict[str, Dog], Mapping[str, Animal]),
        (tuple[int, ...], Sequence[int]),
        (tuple[int, str], tuple[int, str]),
        (tuple[int, str], list[int] | tuple[int, str]),
        (Literal["a"], str),
        (Literal["a"], Literal["a", "b"]),
        (Annotated[int, "of"], int),
        (list[Annotated[int, "of"]], list[int]),
        (Path, str),
        (T, int),
        (int, T),
        (dict[str, str], Row),
        (Row, Row),
        (int, Strange),
    ],
    ids=str,
)
def test_what_may_be_right_fits(gives: object, takes: object) -> None:
    """F4: an annotation that says little, or is not understood, is no reason to refuse a flow."""
    assert fits(gives, takes)


@pytest.mark.parametrize(
    ("gives", "takes"),
    [
        (str, int),
        (float, int),
        (Animal, Dog),
        (Dog, list[Dog]),
        (list[Dog], Dog),
        (list[str], list[int]),
        (list[list[Dog]], list[Dog]),
        (int | None, int),
        (int | str, int),
        (None, int),
        (str, Literal["a"]),
        (Literal["c"], Literal["a", "b"]),
        (Literal["a"], int),
        (dict[str, int], list[str]),
        (dict[str, int], dict[str, str]),
        (tuple[int, str], tuple[int, int]),
        (Path, int),
        (Annotated[str, "of"], Annotated[int, "of"]),
        (str, int | list[str]),
    ],
    ids=str,
)
def test_what_is_certainly_wrong_does_not_fit(gives: object, takes: object) -> None:
    """F4, D2-26: a mismatch is found when the flow loads, not when hours of work are done."""
    assert not fits(gives, takes)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (list[int], int),
        (Annotated[list[int], "of"], int),
        (list, Any),
        (tuple[int, ...], int),
        (tuple[int, str], int | str),
        (tuple, Any),
        (set[str], str),
        (Any, Any),
        (str, None),
        (bytes, None),
        (dict[str, int], None),
        (int, None),
        (Dog, None),
    ],
)
def test_the_members_of_a_list_have_a_type(annotation: object, expected: object) -> None:
    """F13: what a step goes over is a list; a text or a mapping is none."""
    assert member_of(annotation) == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, False),
        (None, True),
        (int | None, True),
        (Annotated[int | None, "of"], True),
        (Any, False),
        (object, False),
    ],
)
def test_optional_is_what_names_none(annotation: object, expected: object) -> None:
    """P9: to take anything is not to say that one can do without."""
    assert is_optional(annotation) is expected


def test_none_can_be_taken_off() -> None:
    """What is asked for beside nothing."""
    assert without_none(int | None) is int
    assert without_none(int | str | None) == int | str
    assert without_none(Dog) is Dog


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, "int"),
        (None, "None"),
        (Any, "Any"),
        (list[Dog], "list[Dog]"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (int | None, "int | None"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Annotated[int, "of"], "int"),
        (Sequence[int], "Sequence[int]"),
    ],
)
def test_a_type_is_shown_as_it_is_written(annotation: object, expected: str) -> None:
    """D2-26: a message names types as the author does, without modules."""
    assert named(annotation) == expected
