"""What an error's text means: which class of failure, and until when there is no more quota."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from flowrunner.wire.tasks import FailureClass

_LOOKED_AT = 4000
_LONGEST = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Failure:
    """*until* is when a quota begins anew, where the provider said so."""

    failure_class: FailureClass
    code: str
    until: datetime | None = None
    hint: str | None = None
    is_known: bool = True
    """Whether the text was recognised; else it is taken for something that may pass."""


_QUOTA = re.compile(
    r"usage limit|rate.?limit|too many requests|quota|credit balance|insufficient_quota"
    r"|resource.?exhausted|limit reached",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(
    r"context.{0,20}(?:length|window|too)|prompt is too long|too many tokens|maximum context",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"authenticat|unauthori[sz]ed|(?:invalid|incorrect).{0,5}api.?key"
    r"|api.?key.{0,20}(?:invalid|not valid)|permission denied|forbidden|please (?:run )?/?log.?in",
    re.IGNORECASE,
)
_MODEL = re.compile(r"model.{0,80}(?:not found|not exist|unknown|not supported)", re.IGNORECASE)
_PASSING = re.compile(
    r"overloaded|\btimed? ?out|ECONN|ENOTFOUND|EAI_AGAIN|socket|terminated|disconnected|network"
    r"|connection|unavailable|high demand|temporary"
    r"|bad gateway|transport|unexpected EOF|fetch failed",
    re.IGNORECASE,
)
_QUOTAS, _LOGINS, _REQUESTS = frozenset({402, 429}), frozenset({401, 403}), frozenset({400, 422})
_STATUS = re.compile(r"(?<![\w.:])(40[0-4]|413|422|429|500|50[234]|529)(?![\w.:]\d|\w)")
_KEY_HINT = "check the agent's key and address"


def classify(text: str, now: datetime | None = None, status: int | None = None) -> Failure:
    """Read *text*, and the HTTP *status* if it is known apart; *now* is what "in 5 s" counts from.

    Without it nothing is said of when a quota begins anew.

    What says that a quota is used up counts before everything: waiting is cheaper than giving up.
    """
    text = text[:_LOOKED_AT]
    found = _STATUS.search(text)
    number = status if status is not None else int(found[1]) if found else 0
    if number in _QUOTAS or _QUOTA.search(text):
        return Failure("quota", "quota_exhausted", until=until(text, now) if now else None)
    if number == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or _TOO_LARGE.search(text):
        return Failure("fatal", "context_too_large", hint="give the step less to read")
    if number in _LOGINS or _LOGIN.search(text):
        return Failure("fatal", "not_authorized", hint=_KEY_HINT)
    if number == HTTPStatus.NOT_FOUND or _MODEL.search(text):
        return Failure("fatal", "model_unknown", hint="check the agent's model and address")
    if number >= HTTPStatus.INTERNAL_SERVER_ERROR or _PASSING.search(text):
        return Failure("transient", "provider_unavailable")
    if number in _REQUESTS:
        return Failure("fatal", "request_refused")
    return Failure("transient", "agent_failed", is_known=False)


_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_AMOUNT = r"(\d+(?:\.\d+)?)\s*(days?|d|hours?|hrs?|h|minutes?|mins?|ms|m|seconds?|secs?|s)(?![a-z])"
_IN = re.compile(
    r"(?:try again in|retry(?:ing)? in|retry[- _]?after|retrydelay|resets? in|wait)\W{0,4}"
    rf"((?:{_AMOUNT}[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"retry[- _]?after\W{1,4}(\d{1,7})(?!\s*[a-z\d.:-])", re.IGNORECASE)
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|[+-]\d\d:?\d\d|UTC)?")
_SECOND_DIGITS = 10
_EPOCH = re.compile(r"(?:limit reached|resets?[_ ]?at)\W{1,4}(\d{10}|\d{13})(?!\d)", re.IGNORECASE)
_OCLOCK = re.compile(
    r"resets?\s+(?:at\s+)?(\d{1,2})(?::([0-5]\d))?\s*([ap])m\s*\(?UTC\)?", re.IGNORECASE
)


def until(text: str, now: datetime) -> datetime | None:
    """Return the moment that *text* announces, if it lies ahead and not beyond reason."""
    found = _moment(text, now)
    return found if found is not None and now < found <= now + _LONGEST else None


def _moment(text: str, now: datetime) -> datetime | None:
    if told := _EPOCH.search(text):
        seconds = int(told[1][:_SECOND_DIGITS])
        return datetime.fromtimestamp(seconds, UTC)
    if told := _IN.search(text):
        amounts = re.findall(_AMOUNT, told[1], re.IGNORECASE)
        seconds = sum(_seconds(number, unit) for number, unit in amounts)
        return now + timedelta(seconds=min(seconds, _LONGEST.total_seconds() * 2))
    if told := _PLAIN.search(text):
        return now + timedelta(seconds=int(told[1]))
    if told := _OCLOCK.search(text):
        return _next(int(told[1]) % 12 + (12 if told[3] in "pP" else 0), int(told[2] or 0), now)
    if told := _STAMP.search(text):
        return _stamp(told[1], told[2])
    return None


def _seconds(number: str, unit: str) -> float:
    short = "ms" if unit.lower() == "ms" else unit[0].lower()
    return float(number) * _UNITS[short]


def _next(hour: int, minute: int, now: datetime) -> datetime:
    today = now.astimezone(UTC).replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def _stamp(text: str, zone: str | None) -> datetime | None:
    offset = "+00:00" if zone in {None, "Z", "UTC"} else zone
    try:
        return datetime.fromisoformat(text + (offset or ""))
    except ValueError:
        return None
