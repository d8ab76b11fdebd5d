"""Compare two runs: what was put in, the flow, how each step went, what was found. Pure but one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from flowrunner.core.errors import ConflictError, NotFoundError
from flowrunner.core.model import RunId
from flowrunner.db.pool import Pool
from flowrunner.db.step_pages import StepFilter, StepLine, list_step_lines
from flowrunner.service.reading import connection
from flowrunner.service.views import Views
from flowrunner.wire.comparing import (
    Diff,
    DiffSide,
    FindingBrief,
    FindingsDiff,
    InputChange,
    StepDiff,
    StepSide,
)
from flowrunner.wire.runs import Run, Spent

MOST_STEPS = 20_000
_ABSENT = object()


class Comparing:
    """Reads two runs and says what is different."""

    def __init__(self, pool: Pool, views: Views) -> None:
        self._pool = pool
        self._views = views

    async def diff(self, a: RunId, b: RunId) -> Diff:
        """From run *a* to run *b*. Raises NotFoundError."""
        runs = await asyncio.gather(self._views.get_run(a), self._views.get_run(b))
        lines = await asyncio.gather(self._lines(a), self._lines(b))
        sarifs = await asyncio.gather(self._sarif(a), self._sarif(b))
        return Diff(
            a=_side(runs[0]),
            b=_side(runs[1]),
            same_definition=runs[0].definition == runs[1].definition,
            inputs=tuple(changes(runs[0].input, runs[1].input)),
            steps=step_diffs(*lines),
            findings=finding_diffs(*sarifs),
        )

    async def _lines(self, run_id: RunId) -> list[StepLine]:
        async with connection(self._pool) as conn:
            return await list_step_lines(conn, run_id, StepFilter(), MOST_STEPS)

    async def _sarif(self, run_id: RunId) -> object:
        try:
            return (await self._views.report(run_id)).sarif
        except (NotFoundError, ConflictError):
            return None


def changes(a: Any, b: Any, pointer: str = "") -> Iterator[InputChange]:
    """Yield each place where two JSON values differ; objects are gone into, lists are not."""
    if isinstance(a, dict) and isinstance(b, dict):
        ours, theirs = cast("dict[str, Any]", a), cast("dict[str, Any]", b)
        for key in sorted({*ours, *theirs}):
            place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            yield from changes(ours.get(key, _ABSENT), theirs.get(key, _ABSENT), place)
        return
    sides: dict[str, Any] = {"a": a, "b": b}
    told = {name: value for name, value in sides.items() if value is not _ABSENT}
    kind = "added" if "a" not in told else "changed" if "b" in told else "removed"
    # As text: in JSON, 1 and true are different things, and in Python they are not.
    if json.dumps(told.get("a")) != json.dumps(told.get("b")) or len(told) == 1:
        yield InputChange.model_validate({"pointer": pointer, "kind": kind, **told})


def step_diffs(a: list[StepLine], b: list[StepLine]) -> tuple[StepDiff, ...]:
    """Pair steps by their key, in the order of the second run, then what only the first had."""
    ours, theirs = {line.key: line for line in a}, {line.key: line for line in b}
    keys = [*theirs, *(key for key in ours if key not in theirs)]
    return tuple(_step(key, ours.get(key), theirs.get(key)) for key in keys)


def finding_diffs(a: object, b: object) -> FindingsDiff | None:
    """Pair results by fingerprint; None unless both reports have SARIF."""
    if a is None or b is None:
        return None
    ours = {found.fingerprint: found for found in findings(a)}
    theirs = {found.fingerprint: found for found in findings(b)}
    return FindingsDiff(
        new=tuple(found for key, found in theirs.items() if key not in ours),
        fixed=tuple(found for key, found in ours.items() if key not in theirs),
        same=tuple(found for key, found in theirs.items() if key in ours),
    )


def findings(sarif: object) -> Iterator[FindingBrief]:
    """Yield every result; one without a fingerprint is known by what it says and where."""
    for run in _members(_part(sarif, "runs")):
        for result in _members(_part(run, "results")):
            place = _part(next(_members(_part(result, "locations")), None), "physicalLocation")
            file = _text(_part(_part(place, "artifactLocation"), "uri"))
            line = _part(_part(place, "region"), "startLine")
            rule, message = (
                _text(_part(result, "ruleId")),
                _text(_part(_part(result, "message"), "text")),
            )
            yield FindingBrief(
                fingerprint=_fingerprint(result) or f"{rule}:{file}:{message}",
                rule=rule,
                level=_text(_part(result, "level")) or "warning",
                message=message,
                file=file or None,
                line=line if isinstance(line, int) else None,
            )


def _fingerprint(result: object) -> str:
    for name in ("fingerprints", "partialFingerprints"):
        told = _part(result, name)
        if isinstance(told, dict) and told:
            named = cast("dict[str, Any]", told)
            return "/".join(f"{key}={named[key]}" for key in sorted(named))
    return ""


def _part(value: object, name: str) -> Any:
    return cast("Mapping[str, Any]", value).get(name) if isinstance(value, dict) else None


def _members(value: object) -> Iterator[object]:
    yield from cast("list[object]", value) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _side(run: Run) -> DiffSide:
    seconds = _seconds(run.created_at, run.finished_at)
    told = run.model_dump(include=set(DiffSide.model_fields))
    return DiffSide.model_validate({**told, "seconds": seconds})


def _step(key: str, a: StepLine | None, b: StepLine | None) -> StepDiff:
    has_both = a is not None and b is not None and a.output is not None and b.output is not None
    return StepDiff(
        key=key,
        a=_step_side(a),
        b=_step_side(b),
        same_status=a is not None and b is not None and a.status == b.status,
        same_output=(a.output == b.output) if has_both and a and b else None,
    )


def _step_side(line: StepLine | None) -> StepSide | None:
    if line is None:
        return None
    usage = Spent(
        input_tokens=line.input_tokens,
        output_tokens=line.output_tokens,
        cost_microusd=line.cost_microusd,
    )
    seconds = _seconds(line.started_at or line.dispatched_at, line.finished_at)
    return StepSide.model_validate(
        {"status": line.status, "attempt": line.attempt, "seconds": seconds, "usage": usage}
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)
