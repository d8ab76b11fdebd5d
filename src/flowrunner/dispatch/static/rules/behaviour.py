"""Errors swallowed, tasks lost, loops blocked, times without a zone."""

from __future__ import annotations

from flowrunner.dispatch.static.rules.rule import rules_of
from flowrunner.wire.findings import Severity

CONCURRENCY = (
    *rules_of(
        "concurrency",
        Severity.MAJOR,
        {
            "ASYNC105": "Without await the call only makes a coroutine: nothing happens.",
            "ASYNC251": "time.sleep stops the whole event loop, not just this task.",
            "PLW2101": "A lock made on the spot is nobody else's: it protects nothing.",
        },
    ),
    *rules_of(
        "concurrency",
        Severity.MINOR,
        {
            "ASYNC100": "A time limit around code that never awaits can never expire.",
            "ASYNC210 ASYNC212": "The whole event loop waits for this answer.",
            "ASYNC220 ASYNC221 ASYNC222": "The whole event loop waits for this process.",
            "ASYNC250": "The whole event loop waits for the keyboard.",
            "RUF006": "The loop holds the task weakly: it may vanish before it is done.",
            "B039": "The default is one object, shared by all contexts.",
            "PLW1509": "preexec_fn can deadlock when there are threads.",
        },
    ),
    *rules_of(
        "concurrency",
        Severity.NOTE,
        {
            "ASYNC110": "Polling wakes up for nothing and answers late; an event does neither.",
            "ASYNC116": "A very long sleep: if for ever is meant, say so.",
            "ASYNC230 ASYNC240": "File access stops the event loop for as long as the disk takes.",
        },
    ),
)

RESILIENCE = (
    *rules_of(
        "error-handling",
        Severity.MINOR,
        {
            "B012": "A jump out of `finally` swallows the exception that was on its way.",
            "B022": "suppress() without an exception suppresses nothing.",
            "B025": "The second handler for the same exception is never reached.",
            "B029": "An empty tuple catches nothing.",
            "E722": "KeyboardInterrupt and SystemExit are caught too: nobody can stop this.",
        },
    ),
    *rules_of(
        "error-handling",
        Severity.NOTE,
        {
            "B904": "Without `from` the log shows a second error during handling, not a cause.",
            "B905": "If one side is longer, its end is dropped without a word.",
            "BLE001": "Programming errors are caught here together with expected ones.",
            "S110": "The error disappears without a trace.",
            "S112": "The error disappears without a trace and the loop goes on.",
            "TRY002": "Callers cannot catch this apart from every other exception.",
            "TRY203": "The handler only raises again what it caught.",
            "PLW1510": "A failing command goes unnoticed.",
        },
    ),
)

STORAGE = (
    *rules_of(
        "data",
        Severity.MINOR,
        {
            "DTZ003 DTZ004": "UTC that does not say so: next to local times it is off by hours.",
        },
    ),
    *rules_of(
        "data",
        Severity.NOTE,
        {
            "DTZ005 DTZ006": "Without a zone the value changes meaning with the machine.",
            "DTZ007": "The parsed time has no zone.",
            "RUF017": "Summing lists copies them again and again: quadratic time.",
        },
    ),
)

LOGGING = (
    *rules_of(
        "logging",
        Severity.MINOR,
        {
            "G101": "This key is a field of the log record already: logging raises KeyError.",
            "LOG004 LOG014": "There is no exception here: the log gets `NoneType: None`.",
            "PLE1205 PLE1206": "Arguments and placeholders do not match: the message is lost.",
            "S113": "Without a timeout a silent server holds this call for ever.",
        },
    ),
    *rules_of(
        "logging",
        Severity.NOTE,
        {
            "G010 LOG009": "warn is the deprecated name of warning.",
            "G201": "exception() says the same and is found by who greps for it.",
            "LOG001": "A logger made by hand is not part of the tree: no handler sees it.",
            "LOG007": "exception() with exc_info=False shows no traceback.",
            "LOG015": "The root logger cannot be told apart or configured by module.",
            "TRY400": "The traceback, which says where, is left out.",
        },
    ),
)
