"""Search files for a pattern, as a process of its own: whoever waits for it can end it.

Python's expressions may take for ever, and keep everything else from running meanwhile.
Standard library only, but for what reads files.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowrunner.evidence.tree import Refusal, decode, is_binary, read_bytes, split_lines

HITS = 200
LINE_CHARACTERS = 300
DONE = "[flowrunner: "


def main() -> None:
    """Read a wish as JSON on stdin, and write a line for each hit and one for all of them."""
    wish = json.load(sys.stdin)
    # Whoever was to end us may have been killed; the default action needs no turn of Python's.
    signal.alarm(wish["seconds"])
    for line in found(wish):
        sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()


def found(wish: dict[str, Any]) -> Iterator[str]:
    pattern = re.compile(wish["pattern"], re.IGNORECASE if wish["ignore_case"] else 0)
    root, hits, unread = Path(wish["root"]), 0, 0
    for path in wish["paths"]:
        content = read_bytes(root, path)
        if isinstance(content, Refusal) or is_binary(content):
            unread += 1
            continue
        for number, line in enumerate(split_lines(decode(content)), 1):
            if not pattern.search(line):
                continue
            if hits == HITS:
                yield f"{DONE}cut, there are more than {HITS} hits; narrow it down]"
                return
            hits += 1
            yield f"{_shown(path)}:{number}: {_short(line)}"
    skipped = f"; {unread} were binary, too large or unreadable" if unread else ""
    yield f"{DONE}{hits} hits in {len(wish['paths'])} files{skipped}]"


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")


def _short(line: str) -> str:
    if len(line) <= LINE_CHARACTERS:
        return line
    more = len(line) - LINE_CHARACTERS
    return f"{line[:LINE_CHARACTERS]} [flowrunner: cut, {more} more characters]"
