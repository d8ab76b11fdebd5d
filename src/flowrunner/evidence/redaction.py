"""Where a line stops being fit to be quoted: tokens of known shapes, and private keys.

Few shapes, all with a fixed beginning and a checkable length, so that a match is a secret or a
careful imitation of one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

MIN_ENTROPY = 3.0
"""Bits per character; `xxxxxxxx` and the like stay below."""

_TOKENS = (
    ("AWS access key", r"(?<![A-Z0-9])(A(?:KIA|SIA))([A-Z0-9]{16})(?![A-Z0-9])"),
    ("GitHub token", r"\b(gh[pousr]_)([A-Za-z0-9]{36})\b"),
    ("GitHub token", r"\b(github_pat_)([A-Za-z0-9_]{82})\b"),
    ("GitLab token", r"\b(glpat-)([A-Za-z0-9_-]{20,})"),
    ("Slack token", r"\b(xox[abprs]-)([0-9]{8,}-[0-9A-Za-z-]{20,})"),
    ("Stripe key", r"\b([sr]k_live_)([0-9A-Za-z]{24,})"),
    ("Google API key", r"\b(AIza)([0-9A-Za-z_-]{35})(?![0-9A-Za-z_-])"),
    ("npm token", r"\b(npm_)([A-Za-z0-9]{36})\b"),
    ("PyPI token", r"\b(pypi-AgEIcHlwaS5vcmc)([\w-]{50,})"),
    ("Anthropic key", r"\b(sk-ant-[a-z]+\d\d-)([\w-]{80,})"),
    ("OpenAI key", r"\b(sk-(?:proj|svcacct)-)([\w-]{40,})"),
    ("SendGrid key", r"\b(SG\.)([\w-]{22}\.[\w-]{43})(?![\w-])"),
    ("DigitalOcean token", r"\b(dop_v1_)([a-f0-9]{64})\b"),
    ("Hugging Face token", r"\b(hf_)([A-Za-z]{34})\b"),
)
_PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in _TOKENS)
# Fixed beginnings: nearly every file is done with after one look for them.
_MAY_HOLD = re.compile(
    r"A(?:KIA|SIA)|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|[sr]k_live_|AIza|npm_|pypi-Ag|sk-|SG\."
    r"|dop_v1_|hf_|PRIVATE KEY"
)
_KEY_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END (?:[A-Z0-9]+ )?PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{40,}")
_KEY_LINES = 300
_IMITATION = re.compile(r"EXAMPLE|example|0123456|1234567|abcdefg|ABCDEFG|(.)\1{5}")


@dataclass(frozen=True, slots=True)
class Secret:
    """*shown* is how many characters of the line come before the secret itself."""

    line: int
    name: str
    shown: int


@lru_cache(maxsize=4)
def find_secrets(lines: Sequence[str]) -> tuple[Secret, ...]:
    """Return the first secret of each line, in order; *lines* must be hashable."""
    found: list[Secret] = []
    if not _MAY_HOLD.search("\n".join(lines)):
        return ()
    for number, line in enumerate(lines, start=1):
        if begin := _KEY_BEGIN.search(line):
            rest = line[begin.end() :].replace("\\n", "\n")
            body = "\n".join((rest, *lines[number : number + 4]))
            if "ENCRYPTED" not in begin[0] and _KEY_BODY.search(body):
                found.append(Secret(number, "private key", begin.end()))
        elif token := _token(line):
            found.append(Secret(number, *token))
    return tuple(found)


@lru_cache(maxsize=4)
def unquotable_lines(lines: Sequence[str]) -> frozenset[int]:
    """Return the numbers of the lines within private keys."""
    inside: set[int] = set()
    for secret in find_secrets(lines):
        if secret.name != "private key":
            continue
        for number in range(secret.line + 1, min(secret.line + _KEY_LINES, len(lines)) + 1):
            inside.add(number)
            if _KEY_END.search(lines[number - 1]):
                break
    return frozenset(inside)


def _token(line: str) -> tuple[str, int] | None:
    found = [
        (match.end(1), name)
        for name, pattern in _PATTERNS
        for match in pattern.finditer(line)
        if not _IMITATION.search(match[2]) and _entropy(match[2]) >= MIN_ENTROPY
    ]
    return (min(found)[1], min(found)[0]) if found else None


def _entropy(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
