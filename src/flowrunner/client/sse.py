"""Server-sent events from text: pure, as the HTML standard has them, as far as we need them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Not str.splitlines: JSON may hold characters that Python, and nobody else, takes for line ends.
_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True, slots=True)
class Message:
    """One dispatched event; *id* is the cursor to come back with, if it has one."""

    event: str
    data: str
    id: str


class Reader:
    """Takes text as it comes and gives whole messages; what was cut off is never given."""

    def __init__(self) -> None:
        self._rest = ""
        self._fields: dict[str, str] = {}
        self._data: list[str] = []

    def feed(self, chunk: str) -> Iterator[Message]:
        """Yield what is whole by now; take all of it before the next chunk."""
        *whole, self._rest = _LINE_END.split(self._rest + chunk)
        for line in whole:
            message = self._take(line)
            if message is not None:
                yield message

    def _take(self, line: str) -> Message | None:
        if not line:
            fields, data = self._fields, self._data
            self._fields, self._data = {}, []
            if not data:
                return None
            return Message(fields.get("event", "message"), "\n".join(data), fields.get("id", ""))
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name in {"event", "id"}:
            self._fields[name] = value
        return None
