"""The first step: the structure as code sees it, and the files that analysts are handed."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.quoting import quote_at
from flowrunner.evidence.scope import build_scope
from flowrunner.evidence.severity import CONFIDENCE
from flowrunner.evidence.structure.faults import Fault, find_faults
from flowrunner.evidence.structure.ranking import CATEGORY, CONSEQUENCES
from flowrunner.evidence.structure.survey import Inventory, Survey
from flowrunner.evidence.structure.survey import inventory as count
from flowrunner.evidence.text import visible
from flowrunner.evidence.tree import split_lines
from flowrunner.wire.findings import Claim

from .._shared.ground import Ground, pin

MAX_FAULTS = 300


class Stock(BaseModel):
    """*claims* are what code found to stand out; *unlisted* says how many more there were."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ground: Ground
    inventory: Inventory
    claims: tuple[Claim, ...]
    unlisted: int = 0


def inventory(ctx: Context) -> Stock:
    """Survey the project and pin its files; nothing of it is run or imported."""
    root = ctx.project.root
    survey = Survey.of(root)
    claims = [claim for fault in find_faults(survey) if (claim := _claim(fault, survey))]
    return Stock(
        ground=pin(root, build_scope(root)),
        inventory=count(survey),
        claims=tuple(claims[:MAX_FAULTS]),
        unlisted=max(0, len(claims) - MAX_FAULTS),
    )


def _claim(fault: Fault, survey: Survey) -> Claim | None:
    quoted = quote_at(split_lines(survey.facts.text(fault.path)), fault.line)
    if quoted is None:
        return None
    severity, consequence = CONSEQUENCES[fault.kind]
    return Claim(
        rule=fault.kind,
        category=CATEGORY,
        severity=severity,
        title=visible(fault.title)[:200],
        claim=visible(f"{fault.told} {consequence}")[:4000],
        file=fault.path,
        line_start=quoted.first,
        line_end=quoted.last,
        quote=quoted.text,
        suggestion=visible(fault.suggestion)[:2000],
        confidence=CONFIDENCE[severity],
    )


def facts(stock: Stock) -> Iterator[str]:
    """Yield the inventory in lines, for a prompt: names in it are the project's own words."""
    seen = stock.inventory
    yield f"{seen.files} source files, {seen.lines} lines, {seen.imports} imports between them"
    yield "components (files, lines): whom they use (imports)"
    for part in seen.parts[:100]:
        uses = ", ".join(f"{name} {number}" for name, number in sorted(part.uses.items())[:30])
        yield f"- {part.name} ({part.files}, {part.lines}): {uses or 'nobody'}"
    yield "files that stand out: lines, used by, using, changes lately"
    for each in seen.hot:
        changes = "?" if each.churn is None else each.churn
        yield f"- {each.path}: {each.lines}, {each.fan_in}, {each.fan_out}, {changes}"
    yield "what code found"
    for claim in stock.claims:
        yield f"- {claim.file}:{claim.line_start} {claim.rule}: {claim.title}. {claim.claim[:600]}"
