"""An agent that does its work well, but for one role, in which it fails in a way of one's choice.

A program on its own: it reads a prompt on stdin and answers as agents do.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping

ROLE = "security-adversary"
_SCOPE = re.compile(r"^<<scope (\w+)>>\n(.*?)\n<<end \1>>$", re.MULTILINE | re.DOTALL)
OVERLOADED = "API Error: 529 overloaded_error: Overloaded"
EMPTY = '```json\n{"findings": [], "rulings": []}\n```\n'


def good(prompt: str) -> str:
    found = _SCOPE.search(prompt)
    files: list[str] = json.loads(found[2])["files"] if found else []
    nothing: dict[str, list[str]] = {"findings": [], "rulings": []}
    told = {**nothing, "reviewed_files": files, "summary": "Looked."}
    return f"```json\n{json.dumps(told)}\n```\n"


def _said(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _killed(number: signal.Signals) -> Callable[[str], None]:
    def die(prompt: str) -> None:
        _said(good(prompt)[:40])
        os.kill(os.getpid(), number)

    return die


def _ends(code: int) -> Callable[[str], None]:
    def end(prompt: str) -> None:
        """Answer as if all were well, and end otherwise."""
        _said(good(prompt))
        sys.exit(code)

    return end


def _says(text: str) -> Callable[[str], None]:
    def say(_prompt: str) -> None:
        sys.stdout.write(text)

    return say


def _cut(prompt: str) -> None:
    text = good(prompt)
    sys.stdout.write(text[: len(text) * 2 // 3])


def _only_complains(prompt: str) -> None:
    sys.stderr.write(good(prompt))


def _binary(_prompt: str) -> None:
    sys.stdout.buffer.write(b"\xff\xfe\0{\x80" * 100)


KINDS: Mapping[str, Callable[[str], None]] = {
    "exit-1": _ends(1),
    "exit-77": _ends(77),
    "sigkill": _killed(signal.SIGKILL),
    "sigsegv": _killed(signal.SIGSEGV),
    "nothing": _says(""),
    "blanks": _says(" \n\t\n"),
    "refusal": _says("I cannot help with that.\n"),
    "limit": _says(OVERLOADED),
    "limit-object": _says(json.dumps({"type": "error", "error": {"message": "Overloaded"}})),
    "prose": _says("I found no problems, great work!\n"),
    "out-of-schema": _says('{"findings": "none", "rulings": "none"}'),
    "cut": _cut,
    "empty-lists": _says(EMPTY),
    "second-block": _says(f"{EMPTY}\nHad there been nothing:\n\n{EMPTY}"),
    "refusal-in-form": _says('{"findings": [], "summary": "I cannot help with that."}'),
    "stderr-only": _only_complains,
    "binary": _binary,
}


def main() -> None:
    prompt, kind = sys.stdin.read(), sys.argv[1]
    is_its_role = os.environ.get("FLOWRUNNER_PERSONA") == ROLE
    if is_its_role and kind in KINDS:
        KINDS[kind](prompt)
    else:
        sys.stdout.write(good(prompt))


if __name__ == "__main__":
    main()
