"""Risks in one order: those that code derives from the inventory, and those that an agent names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.citations import relative_name
from flowrunner.evidence.folding import fold
from flowrunner.wire.findings import Answer, Claim, Finding, Severity

from .._shared.parts import outputs_of
from .fold import CODE, Folded
from .instructions import stock_of
from .risk import STEP, Level, Risk, Risks

_POINTS: Mapping[Level, int] = {"low": 1, "medium": 2, "high": 3}
_DERIVED: Mapping[str, tuple[Level, Level]] = {
    "import-cycle": ("medium", "medium"),
    "deferred-cycle": ("low", "medium"),
    "mutual-components": ("medium", "medium"),
    "crossroads": ("medium", "medium"),
    "hot-spot": ("high", "medium"),
    "undeclared-dependency": ("medium", "high"),
    "unused-module": ("low", "low"),
    "unused-dependency": ("low", "low"),
}
HIGH, MEDIUM = 6, 3
"""Products of likelihood and impact from which on a risk counts as high, and as medium."""


class Weighed(BaseModel):
    """One risk; *finding* holds its words, place and proof, *source* is code or an agent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: Finding
    likelihood: Level
    impact: Level
    option: str = ""
    simpler: str = ""
    source: str

    @property
    def level(self) -> Level:
        points = _points(self)
        return "high" if points >= HIGH else "medium" if points >= MEDIUM else "low"


class Scales(BaseModel):
    """*risks* are sorted, the gravest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    risks: tuple[Weighed, ...]


def weigh(ctx: Context) -> Scales:
    """Derive, add and sort; a risk whose quotation is not there stays, and is flagged."""
    stock, folded = stock_of(ctx), ctx.result("fold", Folded)
    if folded is None:
        raise ValueError("there is nothing to weigh")
    said = [risk for answer in outputs_of(ctx, STEP, Risks) for risk in answer.risks]
    bare = stock.ground.tree(ctx.project.root)
    cited = {name for risk in said if (name := relative_name(bare, risk.file)) is not None}
    tree = stock.ground.tree(ctx.project.root, cited)
    named = fold([(STEP, Answer(findings=tuple(map(_claim, said))))], tree)
    found = [*_derived(folded), *_named(said, named)]
    return Scales(risks=tuple(sorted(found, key=_order)))


def _derived(folded: Folded) -> Iterator[Weighed]:
    for finding in folded.findings:
        if CODE in finding.sources and finding.claim.rule in _DERIVED:
            likelihood, impact = _DERIVED[finding.claim.rule]
            option = finding.claim.suggestion
            yield Weighed(
                finding=finding, likelihood=likelihood, impact=impact, option=option, source=CODE
            )


def _named(said: list[Risk], named: tuple[Finding, ...]) -> Iterator[Weighed]:
    # Of two that have one title the graver one counts, whichever was said first.
    by_title = {risk.title: risk for risk in sorted(said, key=_points)}
    for finding in named:
        risk = by_title[finding.claim.title]
        yield Weighed(
            finding=finding,
            likelihood=risk.likelihood,
            impact=risk.impact,
            option=risk.option,
            simpler=risk.simpler,
            source=STEP,
        )


def _claim(risk: Risk) -> Claim:
    points = _points(risk)
    severity = Severity.MAJOR if points >= HIGH else Severity.MINOR
    return Claim(
        rule=f"risk/{risk.title}"[:100],
        category="risk",
        severity=severity if points >= MEDIUM else Severity.NOTE,
        title=risk.title,
        claim=risk.claim,
        file=risk.file,
        line_start=risk.line_start,
        line_end=risk.line_end,
        quote=risk.quote,
    )


def _points(risk: Risk | Weighed) -> int:
    return _POINTS[risk.likelihood] * _POINTS[risk.impact]


def _order(each: Weighed) -> tuple[int, int, str, int]:
    claim = each.finding.claim
    return -_points(each), each.source == CODE, claim.file, claim.line_start
