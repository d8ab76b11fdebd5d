"""The lists that steps with `each` are made from: members with stable names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, cast

from pydantic_core import to_jsonable_python

from flowrunner.core.model import Failure
from flowrunner.definitions.context import Context
from flowrunner.definitions.flow import Each
from flowrunner.engine import threads

LONGEST_KEY = 120


def list_members(each: Each, context: Context) -> tuple[tuple[str, ...], bytes] | Failure:
    """Return the members' keys and the list as it is stored, or why there is none.

    Raises whatever the author's functions raise.
    """
    value = threads.finished(_given(each, context))
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | set | frozenset):
        return Failure("not_a_list", f"`each` needs a list, not a {type(value).__name__}")
    found: list[Any] = list(cast("Sequence[Any]", value))
    plain: list[Any] = [to_jsonable_python(member) for member in found]
    if each.key is None:
        keys = _unique([_default_key(member) for member in plain])
    else:
        keys = [each.key(member) for member in found]
        wrong = _wrong_key(keys)
        if wrong is not None:
            return wrong
    listed = [{"key": key, "value": value} for key, value in zip(keys, plain, strict=True)]
    return tuple(keys), json.dumps(listed, ensure_ascii=False, allow_nan=False).encode()


def _given(each: Each, context: Context) -> object:
    if isinstance(each.over, str):
        return context.results[each.over]
    return cast("Callable[[Context], object]", each.over)(context)


def _default_key(member: object) -> str:
    """A short text names itself; anything else is named by what it says."""
    if isinstance(member, str) and 0 < len(member) <= LONGEST_KEY and member.isprintable():
        return member
    text = json.dumps(member, ensure_ascii=False, sort_keys=True)
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]


def _unique(keys: Sequence[str]) -> list[str]:
    """Members that are equal are told apart by how often they came before."""
    seen: Counter[str] = Counter()
    unique: list[str] = []
    for key in keys:
        seen[key] += 1
        unique.append(key if seen[key] == 1 else f"{key}#{seen[key]}")
    return unique


def _wrong_key(keys: Sequence[object]) -> Failure | None:
    for at, key in enumerate(keys):
        is_text = isinstance(key, str) and 0 < len(key) <= LONGEST_KEY and key.isprintable()
        if not is_text:
            rule = f"1 to {LONGEST_KEY} printable characters"
            return Failure("bad_key", f"the key of member {at} is {key!r:.80}, not {rule}")
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        message = f"{len(twice)} keys name several members, the first is {twice[0]!r:.80}"
        return Failure("duplicate_key", message)
    return None
