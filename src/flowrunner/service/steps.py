"""Read models of steps: pages of them, one up close, its attempts, output and transcript."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from flowrunner.core.errors import NotFoundError
from flowrunner.core.model import Ref, RunId
from flowrunner.db.acts import StepEnd, find_step_end
from flowrunner.db.attempts import AttemptLine, list_attempts, list_attempts_of
from flowrunner.db.lookup import find_run_head
from flowrunner.db.pages import find_graph
from flowrunner.db.payloads import list_payloads
from flowrunner.db.pool import Conn, Pool
from flowrunner.db.step_pages import StepFilter, StepLine, list_statuses, list_step_lines
from flowrunner.db.transcripts import list_chunks
from flowrunner.service import cursors, shapes
from flowrunner.service.reading import connection, read_graph, unknown_run
from flowrunner.wire.runs import StepList, StepRow
from flowrunner.wire.steps import AttemptDetail, AttemptList, Chunk, StepDetail, TranscriptPage

_PREVIEW_CHARACTERS = 2000
_LIVE = frozenset({"offered", "running"})


@dataclass(frozen=True, slots=True)
class Output:
    """What an attempt said; *ref* is its address, and changes with every byte."""

    ref: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """Which steps: *group* keeps the children of that step.

    *attempts*: each with all of its attempts, and children that a later generation replaced, too.
    """

    statuses: tuple[str, ...] = ()
    group: str | None = None
    attempts: bool = False


class StepViews:
    """Reads only; every call is one moment's truth. All raise UnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_steps(
        self, run_id: RunId, asked: Asked, limit: int, cursor: str | None
    ) -> StepList:
        """Raises NotFoundError for an unknown run or group."""
        after = -1 if cursor is None else _number(cursor, run_id)
        async with connection(self._pool) as conn:
            around = await surroundings(conn, run_id)
            if asked.group is not None:
                await _find(conn, run_id, asked.group)
            only = StepFilter(asked.statuses, asked.group, replaced=asked.attempts, after=after)
            lines = await list_step_lines(conn, run_id, only, limit + 1)
            shown = [shapes.step(line, around) for line in lines[:limit]]
            if asked.attempts:
                tried = await list_attempts_of(conn, run_id, [row.step_no for row in shown])
                shown = [_with_attempts(row, tried.get(row.step_no, ())) for row in shown]
        more = len(lines) > limit
        last = cursors.write(_listing(run_id), lines[limit - 1].step_no) if more else None
        return StepList(items=tuple(shown), next_cursor=last)

    async def get_step(self, run_id: RunId, key: str) -> StepDetail:
        """Raises NotFoundError."""
        async with connection(self._pool) as conn:
            line = await _line(conn, run_id, key)
            around = await surroundings(conn, run_id)
            tried = await list_attempts(conn, run_id, line.step_no)
            body = await _body(conn, _ref(line))
        row = _with_attempts(shapes.step(line, around), tried)
        text = None if body is None else body.decode(errors="replace")
        return StepDetail(
            **dict(row),
            output_bytes=None if body is None else len(body),
            output_preview=None if text is None else text[:_PREVIEW_CHARACTERS],
        )

    async def list_attempts(self, run_id: RunId, key: str) -> AttemptList:
        """Raises NotFoundError."""
        async with connection(self._pool) as conn:
            line = await _line(conn, run_id, key)
            tried = await list_attempts(conn, run_id, line.step_no)
        return AttemptList(items=tuple(map(shapes.attempt, tried)))

    async def get_attempt(self, run_id: RunId, key: str, number: int) -> AttemptDetail:
        """One attempt with its prompt, and what was kept beside. Raises NotFoundError."""
        async with connection(self._pool) as conn:
            found = await _attempt(conn, run_id, key, number)
            wanted = [ref for ref in (found.prompt, found.record, found.partial) if ref]
            bodies = await list_payloads(conn, wanted) if wanted else {}

        def text(ref: Ref | None) -> str | None:
            body = None if ref is None else bodies.get(ref)
            return None if body is None else body.decode(errors="replace")

        return AttemptDetail(
            **shapes.attempt(found).model_dump(),
            step=key,
            prompt=text(found.prompt),
            record=json.loads(text(found.record) or "null"),
            partial=text(found.partial),
        )

    async def output(self, run_id: RunId, key: str, number: int | None) -> Output:
        """What the step said: now, or in attempt *number*. Raises NotFoundError."""
        async with connection(self._pool) as conn:
            if number is None:
                line = await _line(conn, run_id, key)
                ref, status = _ref(line), line.status
            else:
                found = await _attempt(conn, run_id, key, number)
                ref, status = found.output, found.status
            body = await _body(conn, ref)
        if ref is None or body is None:
            raise NotFoundError(f"'{key:.100}' has no output: it is {status}", status=status)
        return Output(ref, body)

    async def transcript(
        self, run_id: RunId, key: str, number: int | None, after: int, limit: int
    ) -> TranscriptPage:
        """What an attempt streamed after chunk *after*. Raises NotFoundError."""
        async with connection(self._pool) as conn:
            line = await _line(conn, run_id, key)
            tried = await list_attempts(conn, run_id, line.step_no)
            # Whether it is over is asked before what it said: then nothing can be missed.
            found = _chosen(tried, key, number)
            rows = await list_chunks(
                conn, run_id, line.step_no, found.attempt, after=after - 1, limit=limit
            )
        items = tuple(Chunk.model_validate(row, from_attributes=True) for row in rows)
        return TranscriptPage(
            step=key,
            attempt=found.attempt,
            items=items,
            next_cursor=items[-1].seq + 1 if items else after,
            ended=len(items) < limit and found.status not in _LIVE,
        )


async def surroundings(conn: Conn, run_id: RunId) -> shapes.Surroundings:
    """What is needed to show steps. Raises NotFoundError."""
    stored = await find_graph(conn, run_id)
    if stored is None:
        raise unknown_run(run_id)
    graph = read_graph(stored, run_id)
    return shapes.Surroundings(run_id, graph, await list_statuses(conn, run_id, len(graph.steps)))


async def _find(conn: Conn, run_id: RunId, key: str) -> StepEnd:
    found = await find_step_end(conn, run_id, key)
    if found is None:
        if await find_run_head(conn, run_id) is None:
            raise unknown_run(run_id)
        hint = f"list them: GET /api/v1/runs/{run_id}/steps"
        raise NotFoundError(f"the run has no step '{key:.100}'", hint=hint)
    return found


async def _line(conn: Conn, run_id: RunId, key: str) -> StepLine:
    number = (await _find(conn, run_id, key)).number
    only = StepFilter(key=key, replaced=True, after=number - 1)
    (line,) = await list_step_lines(conn, run_id, only, 1)
    return line


async def _attempt(conn: Conn, run_id: RunId, key: str, number: int) -> AttemptLine:
    line = await _line(conn, run_id, key)
    return _chosen(await list_attempts(conn, run_id, line.step_no), key, number)


def _with_attempts(row: StepRow, tried: Sequence[AttemptLine]) -> StepRow:
    return row.model_copy(update={"attempts": tuple(map(shapes.attempt, tried))})


def _chosen(tried: Sequence[AttemptLine], key: str, number: int | None) -> AttemptLine:
    found = [each for each in tried if number in {None, each.attempt}]
    if not found:
        what = "was never tried" if number is None else f"has no attempt {number}"
        raise NotFoundError(f"'{key:.100}' {what}")
    return found[-1]


def _ref(line: StepLine) -> Ref | None:
    return None if line.output is None else Ref(line.output.hex())


async def _body(conn: Conn, ref: Ref | None) -> bytes | None:
    return None if ref is None else (await list_payloads(conn, [ref])).get(ref)


def _listing(run_id: RunId) -> str:
    return f"steps of {run_id}"


def _number(cursor: str, run_id: RunId) -> int:
    (number,) = cursors.read(cursor, _listing(run_id), int)
    if not 0 <= number < 1 << 31:
        raise cursors.bad()
    return number
