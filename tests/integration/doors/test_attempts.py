"""What REST shows of an attempt beside its answer: why it waits, its record, what it had said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.dispatchers import Dispatcher, failed
from fixtures.libraries import a_flow, agent
from integration.doors.asking import RUNS, step_is
from integration.doors.conftest import OpenDoor

pytestmark = pytest.mark.anyio

TRYING = a_flow(agent("a"), agent("b", "a"))


async def test_a_step_says_whose_quota_it_waits_for_and_how_it_was_tried(
    open_door: OpenDoor, dispatcher: Dispatcher
) -> None:
    """F52, F55, none-has 4: provider and time in the list and up close; the attempt with its record
    and what it had said, which is no output.
    """
    door = await open_door(TRYING)
    run_id = await door.launch()
    (first,) = await dispatcher.take(run_id, "a")
    until = datetime.now(UTC) + timedelta(hours=2)
    report = failed(first, "quota_exhausted", failure_class="quota", message="used up")
    kept = {"provider": "acme", "quota_until": until, "partial": "so far", "record": {"a": [1]}}
    await door.service.tasks.report(first.task_id, report.model_copy(update=kept))
    row = await step_is(door, run_id, "a", "pending")
    path = f"{RUNS}/{run_id}/steps/a"

    (listed, _b) = (await door.json(f"{RUNS}/{run_id}/steps"))["items"]
    (tried,) = (await door.json(f"{path}/attempts"))["items"]
    detail = await door.json(f"{path}/attempts/1")
    events = (await door.json(f"{RUNS}/{run_id}/events"))["items"]

    assert row["quota"] == listed["quota"] == {"provider": "acme", "until": row["due_at"]}
    assert datetime.fromisoformat(row["due_at"]) >= until
    assert (row["delayed"], row["failures"], row["attempt"]) == (True, 0, 1)
    told = (tried["counted"], tried["has_record"], tried["has_partial"], tried["has_output"])
    assert told == (False, True, True, False)
    assert (detail["record"], detail["partial"], detail["status"]) == (
        {"a": [1]},
        "so far",
        "failed",
    )
    assert (await door.get(f"{path}/output")).status_code == 404
    (retrying,) = (event["data"] for event in events if event["type"] == "step.retrying")
    assert retrying["error"]["provider"] == "acme"
    assert not {"record", "partial"} & retrying.keys()
