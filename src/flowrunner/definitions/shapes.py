"""What an author's value really is: annotations promise, and a flow file may still break them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel

_PACKAGE = re.compile(r"_flowrunner_flows\.\w+\.")
"""The names that only we give to an author's modules."""


def as_model(value: object) -> type[BaseModel] | None:
    """Return *value* if it is a pydantic model class."""
    return value if inspect.isclass(value) and issubclass(value, BaseModel) else None


def as_text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def is_bool(value: object) -> bool:
    return isinstance(value, bool)


def unstorable(text: str) -> str | None:
    """Return what *text* holds that no database stores, as the end of a sentence."""
    if "\0" in text:
        return "holds a NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    return None


def unshown(model: type[BaseModel]) -> str | None:
    """Return why people and programs could not be told what fits *model*: it has no JSON Schema."""
    try:
        model.model_json_schema()
    except Exception as error:  # noqa: BLE001  # pydantic asks an author's types, which may raise
        said = _PACKAGE.sub("", str(error)).splitlines()
        return said[0] if said else type(error).__name__
    return None


def as_sequence(value: object) -> Sequence[object] | None:
    """Return a list or tuple; a lone text is no list of its letters."""
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else None


def texts_in(value: object) -> tuple[str, ...]:
    """Return the texts of a list, or nothing."""
    return tuple(member for member in as_sequence(value) or () if isinstance(member, str))


def wrong_texts(name: str, value: object) -> str | None:
    """Return what is wrong with a list of texts called *name*, as a sentence."""
    members = as_sequence(value)
    if members is None:
        return f"{name} must be a list of names, not {shown(value)}"
    for at, member in enumerate(members):
        if not isinstance(member, str):
            return f"{name}[{at}] is {shown(member)}, not a name"
    return None


def shown(value: object) -> str:
    """Name a wrong value in a message: itself where that is short, else its kind."""
    if isinstance(value, str | int | float | bool | None):
        told = repr(value)
        return told if len(told) <= 60 else f"{told[:59]}…"  # noqa: PLR2004
    return value.__name__ if inspect.isclass(value) else f"a {type(value).__name__}"


def wrong_function(value: object, *, may_wait: bool = False) -> str | None:
    """Return what is wrong with a function of one argument, as the end of a sentence."""
    if not callable(value):
        return f"must be a function, not {shown(value)}"
    call = value if inspect.isroutine(value) else getattr(value, "__call__", value)  # noqa: B004
    if not may_wait and (inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)):
        return "must not be async"
    try:
        inspect.signature(value).bind(object())
    except TypeError:
        return "must take one argument"
    except ValueError:
        return None
    return None
