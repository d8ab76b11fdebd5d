"""How grave a false statement is: by what happens to somebody who believes it."""

from __future__ import annotations

from collections.abc import Mapping

from flowrunner.evidence.docs.statements import Kind
from flowrunner.wire.findings import Severity

CATEGORY = "documentation"

_FAILS = "Who copies this command gets an error"
CONSEQUENCES: Mapping[Kind, tuple[Severity, str]] = {
    Kind.LINK: (Severity.MINOR, "The reader is sent to a file that does not exist."),
    Kind.ANCHOR: (Severity.NOTE, "The reader lands at the wrong place of the page."),
    Kind.FILE: (Severity.NOTE, f"{_FAILS}: the file that it names does not exist."),
    Kind.TARGET: (Severity.MINOR, f"{_FAILS}: the Makefile has no such target."),
    Kind.OPTION: (Severity.MAJOR, f"{_FAILS}: the program does not know the option."),
    Kind.COMMAND: (Severity.MAJOR, f"{_FAILS}: the program has no such command."),
    Kind.VARIABLE: (Severity.MINOR, "Who sets this variable changes nothing, and is not told."),
    Kind.PATH: (Severity.MINOR, "The reader looks for a file that is not there."),
    Kind.NAME: (Severity.MINOR, "The reader looks for a name that is not there."),
    Kind.IMPORT: (Severity.MAJOR, "Who copies this example gets an ImportError."),
    Kind.CODE: (Severity.MINOR, "Who copies this example gets a syntax error."),
    Kind.VERSION: (Severity.MINOR, "Who follows it installs something that does not start."),
}
