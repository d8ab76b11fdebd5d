"""Tests that test nothing, things too big, marks left behind, scripts that do not start."""

from __future__ import annotations

from flowrunner.dispatch.static.rules.rule import rules_of
from flowrunner.wire.findings import Severity

TESTING = (
    *rules_of(
        "tests",
        Severity.MAJOR,
        {"PGH005": "This looks like an assertion and is an attribute: it never fails."},
        in_tests=True,
    ),
    *rules_of(
        "tests",
        Severity.MINOR,
        {
            "PT010": "Without an exception class every error passes the test.",
            "PT014": "The same case twice.",
            "PT025": "usefixtures on a fixture has no effect.",
            "PT026": "usefixtures without a name has no effect.",
        },
        in_tests=True,
    ),
    *rules_of(
        "tests",
        Severity.NOTE,
        {
            "B017": "Every error passes the test, also a misspelt name.",
            "PT012 PT031": "An error in any of these lines passes the test.",
            "PT017": "If nothing is raised, this is not reached and the test may pass.",
            "PT028": "The default hides the fixture of that name.",
        },
        in_tests=True,
    ),
)

SHAPE = rules_of(
    "structure",
    Severity.NOTE,
    {
        "C901": "So many paths cannot be held in the head, nor covered by tests.",
        "PLR0911": "So many exits hide what holds at the end.",
        "PLR0913": "So many parameters are mixed up at the call.",
        "PLR0915": "So many statements do more than one thing.",
        "F403": "Nobody can tell where a name comes from.",
        "PLW0603": "Any function can change this: its value depends on who ran before.",
    },
)

READING = rules_of(
    "readability",
    Severity.NOTE,
    {
        "E741": "l, O and I look like 1 and 0.",
        "ERA001": "Code that is commented out: is it still wanted?",
        "F401": "Imported and never used: is something missing?",
        "FIX001": "Somebody knew that this is broken.",
        "FIX003": "Somebody wanted to come back here.",
        "FIX004": "Somebody was not content with this.",
    },
)

RELEASE = (
    *rules_of(
        "operations",
        Severity.MINOR,
        {
            "EXE004 EXE005": "A shebang works only at the very beginning of the first line.",
        },
    ),
    *rules_of(
        "operations",
        Severity.NOTE,
        {
            "EXE001": "The file has a shebang and cannot be executed.",
            "EXE003": "The shebang does not name python.",
            "RUF048": "Pre-releases such as 1.2rc1 make this raise.",
        },
    ),
)

LIMITS = (
    "lint.mccabe.max-complexity=20",
    "lint.pylint.max-returns=12",
    "lint.pylint.max-args=9",
    "lint.pylint.max-statements=100",
)
"""Bounds above which ruff speaks: far from taste, where hardly anybody argues."""
