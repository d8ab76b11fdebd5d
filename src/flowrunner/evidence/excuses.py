"""What is said instead of an answer: a provider's error or a refusal, and nothing beside it.

Only the whole of a text counts. An answer may well be about such an error, or quote a refusal: who
is in doubt takes it for an answer.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

LONGEST_LINE = 240
"""A message is one line of at most so many characters; whatever is longer says more than that."""
LONGEST_OBJECT = 4000

_AROUND = frozenset({"error", "type", "request_id", "requestid"})
_WITHIN = frozenset({"type", "code", "status"})
_REASON = (
    r"(?:[a-z_]+_error|too many requests|unauthorized|forbidden|overloaded|payment required"
    r"|internal server error|bad gateway|service unavailable|gateway time-?out|insufficient_quota"
    r"|request timed out|request was aborted|connection error|rate limit(?:ed| reached| exceeded)?"
    r"|resource_exhausted|quota exceeded)"
)
_REST = r"(?:\W*\Z|\s*[.,:;!(\[{|\u00b7\u2013\u2014\u2219-].*\Z)"
"""After the message comes its end, or a mark and details: a word would make a sentence of it."""
_MESSAGES = (
    re.compile(r"\A\[api error: .*\]\Z"),
    re.compile(
        rf"\A(?:failed to authenticate\. )?(?:api )?error(?: code)?:?\s+"
        rf"(?:[45]\d\d(?:\W*\Z|\W{{1,3}}\{{.*\}}\Z|\W{{1,3}}{_REASON}{_REST})|{_REASON}{_REST})"
    ),
    re.compile(rf"\A[45]\d\d\W{{1,3}}{_REASON}{_REST}"),
    re.compile(
        r"\A(?:claude(?: ai)? usage limit reached|you've (?:hit|reached) your (?:usage |rate )?"
        r"limit|(?:5-hour|weekly|usage|rate) limit (?:reached|exceeded)|quota exceeded"
        rf"|credit balance is too low|invalid api key|insufficient_quota){_REST}"
    ),
    re.compile(
        r"\A(?:stream disconnected before completion|exceeded retry limit"
        rf"|we're currently experiencing high demand){_REST}"
    ),
    re.compile(r"\Aunexpected status [45]\d\d\b.*\Z"),
    re.compile(
        r"\A(?:request timed out|connection error|fetch failed|socket hang up|network error)\W*\Z"
    ),
)
_PLACE = re.compile(r"`|[\w/]\.\w{1,5}:\d")
"""Who names code or a place in it talks about the error."""
_REFUSAL = re.compile(
    r"\A(?:i(?:'| a)?m (?:very |so |really )?sorry|sorry|unfortunately|my apologies"
    r"|i apologi[sz]e)?[,.;]?\s*(?:but\s+)?i(?:'m| am)?\s+"
    r"(?:can'?t|cannot|can not|won't|will not|unable to|not able to|not going to"
    r"|(?:must |have to )?decline to)\s+"
    r"(?:help|assist|comply|continue|do|provide|fulfil+|answer|respond|complete|process)(?: you)?"
    r"(?: (?:with|to))?(?: (?:that|this|it|your|the))?(?: (?:request|task|question))?\W*\Z"
)


def is_excuse(text: str) -> bool:
    return is_error(text) or is_refusal(text)


def is_error(text: str) -> bool:
    """Return whether *text* is a provider's error message, as programs print it, and no more."""
    said = text.strip()
    if said.startswith("{"):
        return _is_error_object(said)
    line = _plain(said)
    if not line or len(line) > LONGEST_LINE or "\n" in line or _PLACE.search(line):
        return False
    return any(message.search(line) for message in _MESSAGES)


def is_refusal(text: str) -> bool:
    """Return whether *text* is one sentence that refuses, and no more."""
    line = _plain(" ".join(text.split()))
    return len(line) <= LONGEST_LINE and _REFUSAL.search(line) is not None


def _plain(text: str) -> str:
    return text.casefold().replace("\u2019", "'")


def _is_error_object(text: str) -> bool:
    """Return whether it has the form in which providers tell errors, and holds nothing else."""
    if len(text) > LONGEST_OBJECT:
        return False
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    told = {str(key).casefold(): value for key, value in cast("dict[object, Any]", found).items()}
    error = told.get("error")
    if not isinstance(error, dict) or not told.keys() <= _AROUND:
        return False
    within = {str(key).casefold() for key in cast("dict[object, Any]", error)}
    return "message" in within and (told.get("type") == "error" or bool(within & _WITHIN))
