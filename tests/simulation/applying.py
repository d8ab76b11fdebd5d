"""The statements that write runs, as alembic/sql/functions/{apply,launch,parts}.sql define them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

import psycopg

from simulation.tables import Committed, Json, Place, Question, RunLine, StepLine, Tables, Timer

Parts: TypeAlias = Mapping[str, list[Json]]
Taken: TypeAlias = list[tuple[int, int, int]] | None
"""Step, attempt and epoch of tasks that went to the workers they were meant for."""
Verdict: TypeAlias = tuple[UUID, str, list[Json] | None, Taken]


def put_payloads(tables: Tables, refs: Sequence[bytes], bodies: Sequence[bytes]) -> None:
    for ref, body in zip(refs, bodies, strict=True):
        tables.payloads.setdefault(ref.hex(), body)


def launch(tables: Tables, p: Json) -> tuple[UUID, bytes | None, bool, Taken]:
    """launch_v2: the run whole, or that which the same key began before."""
    meta, row = p["meta"], p["run"]
    run, key = UUID(meta["run"]), meta["key"]
    if key is not None and key in tables.keys:
        found = tables.keys[key]
        return found, bytes.fromhex(tables.runs[found].meta["request_hash"]), True, None
    if key is not None:
        tables.keys[key] = run
    _unique(run not in tables.runs, "flow_runs_pkey")
    said = ("definition", "status", "version", "remaining", "ready", "tolerated", "error")
    tables.runs[run] = RunLine(
        id=run, meta=meta, updated_at=tables.now, **{name: row[name] for name in said}
    )
    tables.live.add(run)
    parts = _of_one(p, str(run))
    _insert_steps(tables, run, parts["steps"])
    taken = _write(tables, run, parts)
    tables.committed.append(Committed(run, 0, {}))
    return run, None, False, taken


def apply(tables: Tables, p: Json) -> list[Verdict]:
    """apply_v2: a verdict per run."""
    parts = _by_run(p)
    return [_apply_one(tables, row, parts[row["run"]]) for row in p["runs"]]


def _of_one(p: Json, run: str) -> Parts:
    """The parts of a launch: they do not repeat whose they are."""
    lists: dict[str, list[Json]] = {
        name: rows for name, rows in p.items() if isinstance(rows, list)
    }
    return {name: [{**row, "run": run} for row in rows] for name, rows in lists.items()}


def _by_run(p: Json) -> defaultdict[str, defaultdict[str, list[Json]]]:
    parts: defaultdict[str, defaultdict[str, list[Json]]] = defaultdict(lambda: defaultdict(list))
    lists: dict[str, list[Json | str]] = {
        n: rows for n, rows in p.items() if isinstance(rows, list)
    }
    for name, rows in lists.items():
        for row in rows:
            if isinstance(row, str):
                parts[row][name].append({})
            else:
                parts[row["run"]][name].append(row)
    return parts


def _apply_one(tables: Tables, row: Json, parts: Parts) -> Verdict:
    run = UUID(row["run"])
    line = tables.runs.get(run)
    if line is None or line.version != row["v"] or (line.has_ended and not row.get("again")):
        return run, "conflict", None, None
    held, missing = _take_leases(tables, run, parts["leases"])
    missing += _lost_timers(tables, run, parts["fired"])
    if missing:
        return run, "stale", missing, None
    leases = {place.step: place.epoch for place in tables.queue.values() if place.run == run}
    for key in held:
        del tables.queue[key]
    _take_away(tables, run, parts)
    for moved in parts["steps"]:
        number: int = moved["s"]
        _move(line.steps[number], moved)
    _insert_steps(tables, run, parts["children"])
    for left in parts["left"]:
        line.steps[left["s"]].left_behind = True
    taken = _write(tables, run, parts)
    _end(tables, line, row, parts)
    tables.committed.append(Committed(run, row["v"], leases))
    return run, "ok", None, taken


def _take_away(tables: Tables, run: UUID, parts: Parts) -> None:
    """Timers that fired or are silenced, tasks that are withdrawn."""
    for timer in parts["fired"]:
        tables.timers.pop((run, timer["s"], timer["k"]), None)
    for silent in parts["silenced"]:
        _silence(tables, run, silent["s"])
    for gone in parts["withdrawn"]:
        tables.queue.pop((run, gone["s"]), None)


def _take_leases(
    tables: Tables, run: UUID, guards: Iterable[Json]
) -> tuple[list[tuple[UUID, int]], list[Json]]:
    held: list[tuple[UUID, int]] = []
    missing: list[Json] = []
    for guard in guards:
        place = tables.queue.get((run, guard["s"]))
        stands = place is not None and place.attempt == guard["a"]
        if guard.get("keep"):
            stands = stands and place is not None and place.epoch == guard["e"]
        else:
            epoch = None if place is None else place.epoch
            stands = stands and (epoch == guard["e"] or (guard["e"] == 0 and epoch is None))
            if stands and (run, guard["s"]) not in held:
                held.append((run, guard["s"]))
        if not stands:
            missing.append({"s": guard["s"], "e": guard["e"]})
    return held, missing


def _lost_timers(tables: Tables, run: UUID, guards: Iterable[Json]) -> list[Json]:
    missing: list[Json] = []
    for fired in guards:
        timer = tables.timers.get((run, fired["s"], fired["k"]))
        if timer is None or timer.token != fired["tok"]:
            missing.append({"s": fired["s"], "k": fired["k"]})
    return missing


def _silence(tables: Tables, run: UUID, step: int) -> None:
    for key in [key for key in tables.timers if key[:2] == (run, step)]:
        del tables.timers[key]


def _move(step: StepLine, row: Json) -> None:
    is_reset = bool(row.get("reset"))
    if step.has_ended and not is_reset:
        raise psycopg.InternalError("a step that has ended was moved")
    step.status, step.attempt = row["status"], row["a"]
    step.failures, step.crashes = row["f"], row["c"]
    step.delayed, step.epoch = row["d"], row["e"]
    for name, key in (("redos", "redos"), ("cascades", "casc"), ("held_back", "held")):
        if row.get(key) is not None:
            setattr(step, name, row[key])
    for name in ("family", "prompt", "output", "error", "reason"):
        if is_reset or row.get(name) is not None:
            setattr(step, name, row.get(name))


def _insert_steps(tables: Tables, run: UUID, rows: Iterable[Json]) -> None:
    steps = tables.runs[run].steps
    for row in rows:
        _unique(row["s"] == len(steps), "flow_steps_pkey")
        made = StepLine(
            row["s"],
            row["key"],
            row["kind"],
            row.get("persona"),
            row.get("parent"),
            row.get("item"),
            row.get("call"),
        )
        start = {"status": "pending", "a": 0, "f": 0, "c": 0, "d": False, "e": 0}
        _move(made, {**start, **row, "reset": True})
        steps.append(made)


def _write(tables: Tables, run: UUID, parts: Parts) -> Taken:
    """What launch and apply have in common; which tasks went to the workers they were meant for."""
    taken: list[tuple[int, int, int]] = []
    _write_approvals(tables, run, parts.get("approvals", ()))
    for name in ("tasks", "unoffered"):
        for row in parts.get(name, ()):
            key = (run, row["s"], row["a"])
            _unique(key not in tables.tasks, "tasks_pkey")
            tables.tasks[key] = row
            if name == "tasks":
                _unique(key[:2] not in tables.queue, "task_queue_pkey")
                place = Place(run, row["s"], row["a"], row["queue"], int(tables.now * 1000))
                tables.queue[key[:2]] = place
                taken += _given(tables, place, row.get("w"))
    for row in parts.get("timers", ()):
        due_at = tables.now + row["delay"]
        tables.timers[run, row["s"], row["k"]] = Timer(row["tok"], due_at)
    events = tables.runs[run].events
    for row in parts.get("events", ()):
        _unique(row["seq"] == (events[-1][0] if events else 0) + 1, "flow_step_events_pkey")
        events.append((row["seq"], row["t"], row.get("s"), row.get("b", {})))
    return taken or None


def _given(tables: Tables, place: Place, worker: str | None) -> list[tuple[int, int, int]]:
    """offer_tasks_v2: a task is its worker's at once, if that one's lease lives."""
    if worker is None or tables.workers.get(UUID(worker), -1.0) <= tables.now:
        return []
    tables.last_epoch += 1
    place.epoch, place.worker = tables.last_epoch, UUID(worker)
    return [(place.step, place.attempt, place.epoch)]


def _write_approvals(tables: Tables, run: UUID, rows: Iterable[Json]) -> None:
    for row in (row for row in rows if row.get("request") is None):
        asked = tables.questions.get((run, row["s"], row["a"]))
        if asked is None or asked.status != "open":
            raise psycopg.InternalError("an approval that is not open was decided")
        _answer(tables, asked, row)
    for row in (row for row in rows if row.get("request") is not None):
        key = (run, row["s"], row["a"])
        _unique(key not in tables.questions, "flow_approvals_pkey")
        expires = row.get("expires")
        expires_at = None if expires is None else tables.now + expires
        made = tables.questions[key] = Question(row["request"], row["status"], expires_at)
        if row["status"] != "open":
            _answer(tables, made, row)
    is_open = [
        key[1] for key, q in tables.questions.items() if key[0] == run and q.status == "open"
    ]
    _unique(len(is_open) == len(set(is_open)), "flow_approvals_open")


def _answer(tables: Tables, question: Question, row: Json) -> None:
    question.status, question.actor = row["status"], row.get("actor")
    question.comment, question.answer = row.get("comment"), row.get("answer")
    question.decided_at = tables.tick()


def _end(tables: Tables, line: RunLine, row: Json, parts: Parts) -> None:
    """The run's own row, last; and what goes with a run that has ended, or begins anew."""
    line.version, line.status = row["version"], row["status"]
    line.remaining, line.ready = row["remaining"], row["ready"]
    line.tolerated, line.rejected = row["tolerated"], row["rejected"]
    inputs, outputs, cost = line.spent
    line.spent = (inputs + row["ti"], outputs + row["too"], cost + row["tc"])
    line.generation = row.get("gen") or line.generation
    keeps = bool(row.get("again")) and row["ended"]
    line.outcome = row.get("outcome") or (line.outcome if keeps else None)
    line.report = row.get("report") or (line.report if keeps else None)
    line.error = row.get("error")
    line.updated_at, line.has_ended = tables.now, row["ended"]
    if parts["ended"]:
        tables.live.discard(line.id)
        for key in [key for key in tables.timers if key[0] == line.id]:
            del tables.timers[key]
    if parts["reopened"]:
        _unique(line.id not in tables.live, "live_runs_pkey")
        tables.live.add(line.id)


def _unique(holds: bool, name: str) -> None:  # noqa: FBT001
    if not holds:
        raise psycopg.errors.UniqueViolation(f"duplicate key value violates {name}")
