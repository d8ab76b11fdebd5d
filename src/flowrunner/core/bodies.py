"""The few payloads that decisions refer to by themselves: results that nobody computed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

from flowrunner.core import events as ev
from flowrunner.core.model import Ref


def _answer(*, approved: bool) -> bytes:
    told = {"approved": approved, "actor": "expiry", "comment": "nobody decided in time"}
    return json.dumps({**told, "values": {}}).encode()


def _ref(body: bytes) -> Ref:
    return Ref(sha256(body).hexdigest())


_NOTHING, _APPROVED, _REJECTED = b"null", _answer(approved=True), _answer(approved=False)
NOTHING = _ref(_NOTHING)
"""The result of a wait."""
EXPIRED_APPROVED, EXPIRED_REJECTED = _ref(_APPROVED), _ref(_REJECTED)
"""What an approval that nobody decided says to its dependents."""

_KNOWN: Mapping[Ref, bytes] = {
    NOTHING: _NOTHING,
    EXPIRED_APPROVED: _APPROVED,
    EXPIRED_REJECTED: _REJECTED,
}


def needed_by(events: Iterable[ev.Event]) -> dict[Ref, bytes]:
    """The bodies of such payloads that *events* refer to: they must be stored with them."""
    outputs = (event.output for event in events if isinstance(event, ev.StepCompleted))
    return {ref: _KNOWN[ref] for ref in outputs if ref in _KNOWN}
