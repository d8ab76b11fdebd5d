"""What must be true after every disturbance, whatever it was."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from chaos.diary import Diary
from chaos.programs import Installation
from chaos.waiting import until
from flowrunner.client import Client
from flowrunner.service.checking import Violation, check
from flowrunner.wire.events import Event

STEP_ENDS = frozenset({"step.completed", "step.failed", "step.skipped", "step.cancelled"})
WATCHED = {
    "plan": "['left', 'middle', 'right']",
    **{
        key: f"{key} has seen [['left', 'middle', 'right']]\n"
        for key in ("left", "middle", "right")
    },
}
"""What the undisturbed flow reports, but for what follows from these."""


def undisturbed() -> dict[str, str]:
    """The report of the watched flow."""
    said = [WATCHED[key].strip() for key in ("left", "middle", "right")]
    return {**WATCHED, "count": str(said), "last": f"last has seen {[said]}\n"}


def reported(client: Client, run: str) -> Any:
    """The report for machines."""
    return json.loads(client.report(run, "json"))["data"]


def assert_finished(client: Client, run: str, expected: object) -> list[Event]:
    """The run completed with the undisturbed report, and each step ended once (P1, P7)."""
    assert client.get_run(run).status == "completed"
    assert not client.get_run(run).degraded
    assert reported(client, run) == expected
    return assert_once(client, run)


def assert_once(client: Client, run: str) -> list[Event]:
    """One end per step; attempts beyond the first are explained by lost leases alone."""
    events = list(client.events(run))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    roster = {step["key"] for step in events[0].data["steps"] if step["excluded"] is None}
    steps = client.list_steps(run).items
    came = {step.key for step in steps if step.status != "excluded"}
    assert came >= roster, "children come later"
    ends = Counter(event.key for event in events if event.type in STEP_ENDS)
    assert ends == dict.fromkeys(came, 1)
    lost = [event for event in events if event.type == "step.retrying"]
    for event in lost:
        assert event.data["error"]["code"] == "lease_lost", event
    losses = Counter(event.key for event in lost)
    for step in steps:
        assert (step.failures, step.crashes) == (0, losses[step.key]), step
        assert step.attempt in {0, 1 + losses[step.key]}, step
    return events


def assert_losses(events: list[Event], losses: dict[str, int]) -> None:
    """So many attempts of each step were lost, and no others."""
    lost = [str(event.key) for event in events if event.type == "step.retrying"]
    assert {key: lost.count(key) for key in lost} == losses


def assert_quiet(diary: Diary, installation: Installation) -> None:
    """No agent is left, none was alive twice (P2), and nothing is left in their private folders.

    A worker killed between making such a folder and starting the agent leaves an empty one.
    """
    until(lambda: not diary.living(), 8.0)
    assert diary.notes("overlap") == []
    until(lambda: not files_in(installation.room), 5.0)


def files_in(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if not each.is_dir()]


def violations(address: str) -> list[Violation]:
    """What `flowrunner check` finds."""

    async def look() -> list[Violation]:
        async with await AsyncConnection.connect(address, autocommit=True) as conn:
            return await check(conn)

    return asyncio.run(look())
