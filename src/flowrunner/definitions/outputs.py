"""What a step's answer must fit: any type that pydantic can check, or plain text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter


def adapter(output: object) -> TypeAdapter[Any]:
    """Return what reads and writes values of the type *output*.

    Raises a TypeError, or an error of pydantic's, for what is no type or none that it can check.
    """
    if isinstance(output, str):
        raise TypeError("text names no type")
    try:
        return _kept(output)
    except TypeError as error:
        if not _is_unhashable(output):
            raise error from None
        return _made(output)


def is_structured(output: object) -> bool:
    """Tell whether an agent must answer with JSON; `str`, like no output at all, is plain text."""
    return output is not None and output is not str


def _made(output: Any) -> TypeAdapter[Any]:
    made: TypeAdapter[Any] = TypeAdapter(output)
    if not made.pydantic_complete:
        made.rebuild(raise_errors=True)
    return made


_kept = lru_cache(maxsize=1024)(_made)


def _is_unhashable(output: object) -> bool:
    try:
        hash(output)
    except TypeError:
        return True
    return False
