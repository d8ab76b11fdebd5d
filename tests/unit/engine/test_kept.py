"""Large values are read once, if nobody can change them."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict

from flowrunner.core.model import Ref
from flowrunner.engine.kept import LARGE, Kept


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Loose(BaseModel):
    pass


@pytest.mark.parametrize(
    ("kind", "size", "reads"),
    [(Frozen, LARGE, 1), (Frozen, LARGE - 1, 2), (Loose, LARGE, 2), (list[Frozen], LARGE, 2), (None, LARGE, 2)],
    ids=["frozen", "small", "loose", "list", "untyped"],
)  # fmt: skip
def test_only_what_is_large_and_frozen_is_kept(kind: object, size: int, reads: int) -> None:
    """P1, D2-14: two functions never share what one of them could change."""
    kept, seen = Kept(), list[int]()

    def read() -> object:
        seen.append(1)
        return Frozen()

    for _ in range(2):
        kept.value(Ref("a"), kind, size, read)

    assert len(seen) == reads


def test_the_same_text_of_another_type_is_another_value() -> None:
    """R2-16: a value is what its step's type makes of it."""
    kept = Kept()

    first = kept.value(Ref("a"), Frozen, LARGE, lambda: "one")
    other = kept.value(Ref("a"), type("Other", (Frozen,), {}), LARGE, lambda: "two")

    assert (first, other) == ("one", "two")


def test_what_cannot_be_read_is_not_kept() -> None:
    """D2-05: the next who asks is told the reason as well."""
    kept = Kept()

    def fails() -> object:
        raise ValueError("gone")

    for _ in range(2):
        with pytest.raises(ValueError, match="gone"):
            kept.value(Ref("a"), Frozen, LARGE, fails)


def test_the_last_few_are_kept() -> None:
    """A replica that serves many runs forgets what nobody asked about lately."""
    kept = Kept()
    for number in range(20):
        kept.value(Ref(str(number)), Frozen, LARGE, lambda number=number: number)

    assert kept.value(Ref("19"), Frozen, LARGE, lambda: "anew") == 19
    assert kept.value(Ref("0"), Frozen, LARGE, lambda: "anew") == "anew"
