"""A finding's identity across runs: what and where in the code, never on which line (F-01)."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re

from flowrunner.wire.findings import Claim

_NOT_WORD = re.compile(r"[^a-z0-9]+")
_LENGTH = 32


def fingerprint(claim: Claim, symbol: str | None) -> str:
    """Return 32 hex digits; equal for the same rule in the same *symbol* of the same file.

    Outside any symbol the quote stands in for it. Lines that move, and blanks that change, do not
    change the answer; folding tells two places within one symbol apart (`occurrence`).
    """
    where = ["symbol", symbol] if symbol else ["quote", squeeze(claim.quote)]
    rule = slug(claim.rule) or slug(claim.title)
    return _digest([slug(claim.category), posixpath.normpath(claim.file), *where, rule])


def occurrence(base: str, number: int) -> str:
    """Return the fingerprint of the *number*-th place (from 1) that shares *base*."""
    return base if number == 1 else _digest([base, number])


def slug(text: str) -> str:
    """Return lower-case words joined by dashes, at most 100 characters."""
    return _NOT_WORD.sub("-", text.lower()).strip("-")[:100]


def squeeze(text: str) -> str:
    """Return *text* with every run of blanks and line ends as one space."""
    return " ".join(text.split())


def _digest(parts: list[str] | list[str | int]) -> str:
    told = json.dumps(parts, ensure_ascii=True).encode("ascii")
    return hashlib.sha256(told).hexdigest()[:_LENGTH]
