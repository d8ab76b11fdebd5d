"""A rule: ruff's code or our own name for it, and what to tell a reader about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowrunner.wire.findings import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """*why* is the consequence in words; *in_tests* says whether it also means something there."""

    code: str
    severity: Severity
    category: str
    why: str
    in_tests: bool = False


def rules_of(
    category: str, severity: Severity, whys: Mapping[str, str], *, in_tests: bool = False
) -> tuple[Rule, ...]:
    """Return one rule per code; a key may hold several codes, apart by blanks, with one why."""
    return tuple(
        Rule(code, severity, category, why, in_tests)
        for codes, why in whys.items()
        for code in codes.split()
    )
