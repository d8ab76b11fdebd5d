"""Secrets that were committed; their quote ends where the secret begins."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.evidence.redaction import find_secrets
from flowrunner.wire.findings import Severity

_WHY = "Whoever can read the repository, or ever could, has it: take it back and make a new one."
LEAKED = Rule("committed-secret", Severity.CRITICAL, "security", _WHY)
PERHAPS = Rule(
    "committed-secret",
    Severity.NOTE,
    "security",
    "It has the shape of a real one: make sure that it opens nothing.",
    in_tests=True,
)


def find_leaks(source: Source, _project: Project) -> Iterator[Hit]:
    rule = PERHAPS if source.is_test or source.is_docs or _is_example(source.path) else LEAKED
    for secret in find_secrets(source.lines):
        yield Hit(rule, secret.line, f"A {secret.name} is in the repository")


def _is_example(path: str) -> bool:
    return any(word in path.lower() for word in ("example", "sample", "fixture", "demo", "mock"))


def _is_any(source: Source) -> bool:
    return source.language != "lock"


LEAKS = Check("committed secrets", _is_any, find_leaks)
