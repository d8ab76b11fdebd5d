"""Who may do what: reading is allowed once, and nothing else ever is."""

from __future__ import annotations

from typing import Any

import pytest

from flowrunner.dispatch.acp.permissions import decide

ALLOW = {"optionId": "yes", "kind": "allow_once"}
FOR_EVER = {"optionId": "always", "kind": "allow_always"}
REJECT = {"optionId": "no", "kind": "reject_once"}
NEVER = {"optionId": "never", "kind": "reject_always"}
DIFF = {"content": [{"type": "diff", "path": "/a", "newText": "x"}]}


def chosen(answer: Any) -> str:
    return answer["outcome"].get("optionId", answer["outcome"]["outcome"])


@pytest.mark.parametrize("kind", ["read", "search", "think"])
def test_reading_is_allowed_once(kind: str) -> None:
    """P8, F54: what only looks may look, this time."""
    is_allowed, answer = decide("", {"kind": kind}, [FOR_EVER, ALLOW, REJECT])

    assert (is_allowed, chosen(answer)) == (True, "yes")


@pytest.mark.parametrize(
    "kind", ["edit", "delete", "move", "execute", "fetch", "switch_mode", "other", "", "new kind"]
)
def test_all_else_is_refused(kind: str) -> None:
    """P8, F54: writing, running, reaching out, leaving the mode, and what nobody knows."""
    is_allowed, answer = decide("", {"kind": kind}, [ALLOW, FOR_EVER, REJECT])

    assert (is_allowed, chosen(answer)) == (False, "no")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([ALLOW, NEVER], "never"),
        ([ALLOW, FOR_EVER], "cancelled"),
        ([], "cancelled"),
        ([{"kind": "reject_once"}], "cancelled"),
    ],
)
def test_there_is_always_a_way_to_refuse(options: list[Any], expected: str) -> None:
    """P8: an agent that offers only consent gets none."""
    is_allowed, answer = decide("", {"kind": "edit"}, options)

    assert (is_allowed, chosen(answer)) == (False, expected)


def test_reading_for_ever_is_not_offered_back() -> None:
    """P8: what can only be allowed for ever is refused."""
    assert decide("", {"kind": "read"}, [FOR_EVER, REJECT])[0] is False


def test_a_read_with_a_diff_is_none() -> None:
    """P8: a call that shows a change is a change, whatever it calls itself."""
    assert decide("", {"kind": "read", **DIFF}, [ALLOW, REJECT])[0] is False


def test_what_was_said_of_the_call_before_counts() -> None:
    """A request may name only the call; its kind was told when it began."""
    assert decide("read", {"toolCallId": "1"}, [ALLOW, REJECT])[0] is True
    assert decide("read", {"kind": "edit"}, [ALLOW, REJECT])[0] is False
