"""What must be true of a run's rows after every single commit: the laws of db/laws_of_work.py."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.tables import Committed, RunLine, StepLine, Tables
from simulation.world import World


def look(world: World) -> None:
    """Complain about what the commits since the last look broke."""
    committed, world.tables.committed = world.tables.committed, []
    for moved in committed:
        line = world.tables.runs[moved.run]
        for told in (*amiss(world.tables, line), *_unfenced(line, moved)):
            world.complain(told)
        for _seq, name, step, body in line.events[moved.version :]:
            code = body.get("error", {}).get("code")
            if (name, code) == ("step.retrying", "lease_lost") and step is not None:
                world.reaped((line.id, step, body["attempt"]), body.get("epoch", 0))
            if name == "run.repaired":
                world.note(f"repaired: {body['reason']}")


def _unfenced(line: RunLine, moved: Committed) -> Iterator[str]:
    """P2: only who held the lease when it was committed, ended the attempt."""
    for seq, name, step, body in line.events[moved.version :]:
        epoch = body.get("epoch", 0) if name.startswith("step.") else 0
        if epoch and step is not None and moved.held.get(step) != epoch:
            yield f"P2: event {seq}: {name} under {epoch}, step {step} was held by {moved.held.get(step)}"


def amiss(tables: Tables, line: RunLine) -> Iterator[str]:
    """Every breach in one run, as it stands now."""
    timers: dict[int, dict[str, int]] = {}
    for (run, step, kind), timer in tables.timers.items():
        if run == line.id:
            timers.setdefault(step, {})[kind] = timer.token
    asked = {
        step: attempt
        for (run, step, attempt), question in tables.questions.items()
        if run == line.id and question.status == "open"
    }
    yield from _run(line, timers)
    for step in line.steps:
        yield from (
            f"{told}: step {step.key}, {step.status} at attempt {step.attempt}"
            for told in _step(tables, line, step, timers.get(step.number, {}))
        )
        is_asked = step.kind == "approval" and step.status == "blocked"
        if asked.get(step.number) != (step.attempt if is_asked else None):
            yield f"P4: step {step.key} is {step.status}, its question is {asked.get(step.number)}"


def _run(line: RunLine, timers: dict[int, dict[str, int]]) -> Iterator[str]:
    if line.version != len(line.events):
        yield f"P7: the run is at version {line.version} after {len(line.events)} events"
    if line.has_ended and timers:
        yield f"P6: the run is {line.status} and has timers {timers}"
    live = sum(not step.has_ended for step in line.steps)
    if live != line.remaining:
        yield f"P7: the run says that {line.remaining} steps remain, they are {live}"


def _step(tables: Tables, line: RunLine, step: StepLine, timers: dict[str, int]) -> Iterator[str]:
    """P4: what is live has something that moves it; P6: what is over has nothing left."""
    place = tables.queue.get((line.id, step.number))
    is_running = step.status == "running"
    if (None if place is None else place.attempt) != (step.attempt if is_running else None):
        yield "P4: its place in the queue is not its attempt's"
    if place is not None and place.epoch is not None and place.epoch <= step.epoch:
        yield f"P2: it is held under {place.epoch}, {step.epoch} was settled before"
    if step.delayed != ("retry" in timers) or (step.delayed and timers["retry"] != step.attempt):
        yield f"P4: delayed {step.delayed}, timers {timers}"
    if ("wake" in timers) != (step.kind == "wait" and step.status == "blocked"):
        yield f"P4: timers {timers}"
    if "queue" in timers and not (is_running and timers["queue"] == step.attempt):
        yield f"P6: timers {timers}"
    if ("expiry" in timers or "reminder" in timers) and step.status != "blocked":
        yield f"P6: timers {timers}"
