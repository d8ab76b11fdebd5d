"""The head of every report, for programs: what ran, on what, at which cost, and what did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from pydantic import JsonValue, TypeAdapter

from flowrunner import ReportContext, StepResult
from flowrunner.wire.findings import Finding

from .ground import Ground
from .seats import Seat

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)
_ANY: TypeAdapter[object] = TypeAdapter(object)


class Concluded(Protocol):
    """What every flow's last word has, beside its verdict."""

    @property
    def deferred(self) -> tuple[str, ...]: ...
    @property
    def assumptions(self) -> tuple[str, ...]: ...


def header_of(
    ctx: ReportContext,
    ground: Ground | None,
    seats: Sequence[Seat],
    said: Concluded,
    findings: Sequence[Finding],
) -> dict[str, JsonValue]:
    """Return the header; *seats* are those who were asked, *findings* all that was quoted."""
    scope = ground.scope if ground else None
    seconds = (ctx.finished_at - ctx.started_at).total_seconds() if ctx.finished_at else None
    usage = ctx.usage
    return {
        "flow": ctx.flow,
        "band": ctx.band,
        "project": ctx.project.name,
        "run": str(ctx.run_id),
        "definition": ctx.definition,
        "commit": ctx.commit or (scope.commit if scope else None),
        "base": scope.base if scope else None,
        "head": scope.head if scope else None,
        "files": len(ground.files) if ground else None,
        "model": ctx.model,
        "model_asked": any(seat.model_asked for seat in seats),
        "started_at": ctx.started_at.isoformat(),
        "seconds": seconds,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cost_microusd": usage.cost_microusd if usage else None,
        "roster": [seat.key for seat in seats if seat.fate != "excluded"],
        "census": _census(ctx),
        "quotations": _quotations(findings),
        "degraded": is_degraded(ctx, seats),
        "deferred": list(said.deferred),
        "assumptions": list(said.assumptions),
    }


def is_degraded(ctx: ReportContext, seats: Sequence[Seat]) -> bool:
    silent = any(seat.fate in {"failed", "empty", "partial"} for seat in seats)
    return ctx.partial or bool(ctx.census.failed) or silent or any(_failed_parts(ctx))


def plain(value: object) -> JsonValue:
    """Return *value*, models included, as JSON."""
    return _JSON.validate_python(_ANY.dump_python(value, mode="json"))


def _quotations(findings: Sequence[Finding]) -> dict[str, JsonValue]:
    judged = {each.id: each.citation.value for each in findings}
    return dict(sorted(Counter(judged.values()).items()))


def _census(ctx: ReportContext) -> dict[str, JsonValue]:
    census = ctx.census
    parts = {part.key: part.message or part.status for part in _failed_parts(ctx)}
    return {
        "ok": list(census.ok),
        "failed": dict(census.failed),
        "failed_parts": {key: why for key, why in parts.items() if key not in dict(census.failed)},
        "skipped": list(census.skipped),
        "excluded": dict(census.excluded),
        "retried": dict(census.retried),
        "cancelled": list(census.cancelled),
    }


def _failed_parts(ctx: ReportContext) -> Iterator[StepResult]:
    """Yield the members of steps with `each` that gave no result."""
    for outcome in ctx.outcomes.values():
        yield from (child for child in outcome.children if child.status in {"failed", "cancelled"})
