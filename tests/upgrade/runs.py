"""Runs that stand in every interesting state, and what must be true of them at their end."""

from __future__ import annotations

from collections import Counter

from chaos.verdicts import STEP_ENDS
from chaos.waiting import until
from flowrunner.client import Client
from flowrunner.wire.approvals import DecisionBody
from upgrade.stage import Stage

SIDES = ("left", "middle", "right")
FAILS_ONCE = "flaky"
END_SECONDS = 60.0


def launched(client: Client, stage: Stage, gate: str) -> str:
    return str(client.launch("states", stage.body(gate=gate)).id)


def await_states(stage: Stage, client: Client, run: str) -> None:
    """Agents run, a list is half done, code calls, a question is open, two timers wait."""
    stage.site.diary.open("look-x")
    stage.site.diary.await_starts(run, "look-y", "alone", "judge-one")

    def stand() -> dict[str, str]:
        return {step.key: step.status for step in client.list_steps(run).items}

    until(lambda: client.list_approvals().items)
    until(lambda: stand().get("look[x]") == "completed")
    now = stand()
    assert (now["look[y]"], now["judge"], now["last"]) == ("running", "running", "pending")


def finish(client: Client, run: str) -> None:
    """Answer what is asked; everything is as if nothing had happened."""
    for approval in client.list_approvals().items:
        client.decide_approval(approval.id, DecisionBody(decision="approve"))
    await_end(client, run)


def await_end(client: Client, run: str) -> None:
    """Wait until it is completed; a run that stands still is shown as it stands."""

    def is_over() -> bool:
        return client.get_run(run, wait=1.0).status in {"completed", "failed", "cancelled"}

    try:
        until(is_over, END_SECONDS)
    finally:
        if not is_over():
            for step in client.list_steps(run).items:
                print(f"\n{run} stands at {step.key}: {step.status} {step.attempt} {step.error}")  # noqa: T201
    assert client.get_run(run).status == "completed"


def assert_each_ended_once(client: Client, run: str) -> int:
    """Each step ended once, nothing failed but what should; return how many attempts were lost."""
    events = list(client.events(run))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    steps = [step for step in client.list_steps(run).items if step.status != "excluded"]
    assert {step.status for step in steps} == {"completed"}
    ends = Counter(event.key for event in events if event.type in STEP_ENDS)
    assert ends == {step.key: 1 for step in steps}
    assert {step.key: step.failures for step in steps if step.failures} in ({}, {FAILS_ONCE: 1})
    return sum(step.crashes for step in steps)
