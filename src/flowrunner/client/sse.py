"""Server-sent events from text: pure, as the HTML standard has them, as far as we need them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Not str.splitlines: JSON may hold characters that Python, and nobody else, takes for line ends.
_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True, slots=True)
class Message:
    """One dispatched event; *id* is the cursor to come back with, if it has one."""

    event: str
    data: str
    id: str


def lines(chunks: Iterable[str]) -> Iterator[str]:
    """Yield whole lines; what stands after the last line end was cut off, and is dropped."""
    rest = ""
    for chunk in chunks:
        *whole, rest = _LINE_END.split(rest + chunk)
        yield from whole


def messages(given: Iterable[str]) -> Iterator[Message]:
    """Yield what the lines say; a message without its empty line is not whole, and not yielded."""
    fields: dict[str, str] = {}
    data: list[str] = []
    for line in given:
        if not line:
            if data:
                yield Message(fields.get("event", "message"), "\n".join(data), fields.get("id", ""))
            fields, data = {}, []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name in {"event", "id"}:
            fields[name] = value
