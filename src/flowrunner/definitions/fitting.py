"""Whether what one step gives can be what another takes, by their annotations alone.

Only what is certainly wrong is refused: an annotation that says little, or in a way that is not
understood here, fits everything.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal, NewType, Union, cast, get_args, get_origin

ANYTHING: tuple[object, ...] = (Any, object)
_VARIADIC = 2


def fits(gives: object, takes: object) -> bool:
    """Tell whether a value of the type *gives* may go where *takes* is asked for."""
    gives, takes = plain(gives), plain(takes)
    if gives in ANYTHING or takes in ANYTHING or gives == takes:
        return True
    if is_union(gives):
        return all(fits(each, takes) for each in get_args(gives))
    if is_union(takes):
        return any(fits(gives, each) for each in get_args(takes))
    if get_origin(gives) is Literal:
        return _literal_fits(get_args(gives), takes)
    if get_origin(takes) is Literal:
        return False
    return _class_fits(gives, takes) and _members_fit(gives, takes)


def plain(annotation: object) -> object:
    """Take off what says nothing of the kind: Annotated, NewType, a named alias, None as a word."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = cast("Any", annotation).__value__
        else:
            return types.NoneType if annotation is None else annotation


def is_union(annotation: object) -> bool:
    return get_origin(annotation) in {Union, types.UnionType}


def is_optional(annotation: object) -> bool:
    """Tell whether None is among what *annotation* names; Any does not name it."""
    annotation = plain(annotation)
    if is_union(annotation):
        return any(is_optional(each) for each in get_args(annotation))
    return annotation is types.NoneType


def without_none(annotation: object) -> object:
    """Return what *annotation* names beside None; a union of several stays one."""
    annotation = plain(annotation)
    if not is_union(annotation):
        return annotation
    kinds = [each for each in get_args(annotation) if plain(each) is not types.NoneType]
    return Union[tuple(kinds)] if kinds else types.NoneType  # noqa: UP007  # made of a list


def or_none(annotation: Any) -> object:
    """Return *annotation* or None; what is no type is anything."""
    try:
        return Union[annotation, None]  # noqa: UP007  # made of a value
    except Exception:  # noqa: BLE001  # text is read as Python here
        return Any


def member_of(annotation: object) -> object:
    """Return the type of a list's members, Any if it does not say, and None if it is no list."""
    annotation = plain(annotation)
    if annotation in ANYTHING:
        return Any
    origin = get_origin(annotation) or annotation
    if not _is_subclass(origin, Collection) or _is_subclass(origin, str | bytes | dict):
        return None
    args = get_args(annotation)
    if origin is tuple and not (len(args) == _VARIADIC and args[1] is Ellipsis):
        return Union[args] if args else Any  # noqa: UP007  # made of a tuple
    return args[0] if args else Any


def named(annotation: object) -> str:
    """Write a type as its author would, without modules."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return named(args[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if is_union(annotation):
        return " | ".join(named(each) for each in args)
    if origin is not None and args:
        told = ("..." if each is Ellipsis else named(each) for each in args)
        return f"{named(origin)}[{', '.join(told)}]"
    if annotation is None or annotation is types.NoneType:
        return "None"
    return str(getattr(annotation, "__name__", annotation))


def _literal_fits(values: Sequence[object], takes: object) -> bool:
    if get_origin(takes) is Literal:
        return all(value in get_args(takes) for value in values)
    return all(fits(type(value), takes) for value in values)


def _class_fits(gives: object, takes: object) -> bool:
    given, taken = get_origin(gives) or gives, get_origin(takes) or takes
    if taken is float and given is int:
        return True
    return _is_subclass(given, taken, unknown=True)


def _is_subclass(given: object, taken: Any, *, unknown: bool = False) -> bool:
    if not isinstance(given, type):
        return unknown
    try:
        return issubclass(given, taken)
    except TypeError:
        # A TypedDict, or a protocol that cannot be asked.
        return unknown


def _members_fit(gives: object, takes: object) -> bool:
    given, taken = _members(gives), _members(takes)
    if len(given) != len(taken):
        return True
    return all(fits(one, other) for one, other in zip(given, taken, strict=True))


def _members(annotation: object) -> tuple[object, ...]:
    return tuple(each for each in get_args(annotation) if each is not Ellipsis)
