"""What must be true of a play, however often it died: the invariants, and what was paid for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection

from crashpoints.stage import Play
from flowrunner.core.model import MAX_CRASHES
from flowrunner.service.checking import check

_ANSWERS = """
SELECT s.key, (e.body->>'attempt')::int, (e.body->>'epoch')::bigint, e.type, p.body
  FROM flow_step_events e
  JOIN flow_steps s USING (run_id, step_no)
  LEFT JOIN payloads p ON p.ref = decode(e.body->>'output', 'hex')
 WHERE e.type LIKE 'step.%%' AND e.body ? 'epoch'
"""
_ENDS = """
SELECT s.key, s.step_no, s.status, o.body FROM flow_steps s
  LEFT JOIN payloads o ON o.ref = s.output_ref
 WHERE NOT s.left_behind
"""
_RUNS = "SELECT status, outcome, generation FROM flow_runs"
_CODES = "SELECT error->>'code' FROM flow_runs"
_LEFT = """
SELECT 'an unread result' FROM task_results WHERE verdict IS NULL
UNION ALL SELECT 'a worker' FROM workers
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, as far as every play of its shape must end alike."""

    runs: tuple[Any, ...] = ()
    steps: frozenset[tuple[Any, ...]] = frozenset()
    answers: Counter[str] = field(default_factory=Counter[str])
    begun: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class Judgement:
    """*violations* is empty, or the play shows a defect."""

    ending: Ending
    violations: tuple[str, ...]


async def judge(conn: AsyncConnection[Any], play: Play, wanted: Ending | None) -> Judgement:
    """Judge a play; *wanted* is the ending of a play without a crash."""
    found = [] if play.failure is None else [f"liveness: {play.failure}"]
    found += [f"{each.code}: {each.message}" for each in await check(conn)]
    ending = await _ending(conn, play)
    found += await _paid(conn, play)
    if wanted is not None and not await _is_poison(conn, play):
        found += _differences(play, ending, wanted)
    errors = {line["event"] for line in play.logs if line["log_level"] in {"error", "critical"}}
    found += [f"log: {event}" for event in sorted(errors)]
    return Judgement(ending, tuple(found))


async def _is_poison(conn: AsyncConnection[Any], play: Play) -> bool:
    """Whether a step went with its process so often that it is taken for the cause."""
    struck = play.dooms.planned[: len(play.dooms.struck)]
    deaths = sum(doom.mode in {"before", "after"} for doom in struck)
    codes = await (await conn.execute(_CODES)).fetchall()
    return deaths >= MAX_CRASHES and codes == [("crash_loop",)]


async def _ending(conn: AsyncConnection[Any], play: Play) -> Ending:
    runs = await (await conn.execute(_RUNS)).fetchall()
    steps = await (await conn.execute(_ENDS)).fetchall()
    said = frozenset((key, number, status, _anonymous(text)) for key, number, status, text in steps)
    answers = Counter(entry.key for entry in play.book.kept if entry.outcome == "completed")
    begun = Counter(key for key, _attempt, _epoch in play.book.begun)
    return Ending(tuple(runs), said, answers, begun)


async def _paid(conn: AsyncConnection[Any], play: Play) -> list[str]:
    """What a worker was told is kept must be in the run's log, word for word, and only once."""
    rows = await (await conn.execute(_ANSWERS)).fetchall()
    kept = {(key, attempt, epoch): (kind, text) for key, attempt, epoch, kind, text in rows}
    found: list[str] = []
    for entry in play.book.kept:
        kind, text = kept.get((entry.key, entry.attempt, entry.epoch), ("nothing", None))
        wanted = None if entry.text is None else entry.text.encode()
        if kind not in {f"step.{entry.outcome}", "step.retrying"} or text != wanted:
            found.append(f"paid: {entry} was acknowledged, the log says {kind} {text!r}")
    if play.book.refused and not play.shape.may_refuse:
        found.append(f"paid: refused as late: {play.book.refused}")
    return found


def _differences(play: Play, ending: Ending, wanted: Ending) -> list[str]:
    found: list[str] = []
    if ending.runs != wanted.runs:
        found.append(f"end: {ending.runs}, not {wanted.runs}")
    if not play.shape.is_exact:
        return found
    if ending.steps != wanted.steps:
        changed = sorted(map(str, ending.steps ^ wanted.steps))
        found.append(f"end: steps differ: {changed}")
    if ending.answers - wanted.answers:
        found.append(f"once: more answers were paid than wanted: {ending.answers - wanted.answers}")
    # A crash may cost each agent one attempt, and no more.
    spare = len(play.dooms.struck)
    often = {key: n for key, n in ending.begun.items() if n > wanted.begun[key] + spare}
    if often:
        found.append(f"once: agents began too often: {often}, not {dict(wanted.begun)}")
    return found


def _anonymous(text: bytes | None) -> str | None:
    """An answer without the execution that gave it."""
    return None if text is None else re.sub(r" by \d+", "", text.decode())
