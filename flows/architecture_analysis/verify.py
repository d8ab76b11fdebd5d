"""The risks at the top go to somebody who tries to refute them; code's own are computed, not said.

| small | medium | large |
|---|---|---|
| the first five, by one verifier | the first five, each | the first ten, each; high ones twice |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner import Context
from flowrunner.evidence.citations import is_supported

from .._shared.verifying import Case, one_case, single_cases, verifier_prompt
from .risk import STEP as RISK
from .weigh import Scales, Weighed

STEP = "verify"
_TOP = {"small": 5, "medium": 5, "large": 10}


def members(ctx: Context) -> Sequence[dict[str, object]]:
    scales = ctx.result("weigh", Scales)
    return [case.model_dump(mode="json") for case in cases(ctx.band, scales)] if scales else []


def key(member: dict[str, object]) -> str:
    return Case.model_validate(member).key


def prompt(ctx: Context) -> str:
    scales = ctx.result("weigh", Scales)
    if scales is None:
        raise ValueError("there are no risks to verify")
    return verifier_prompt(ctx, [each.finding for each in scales.risks])


def cases(band: str, scales: Scales) -> Iterator[Case]:
    """Yield the cases, for what an agent said and quoted rightly."""
    top = candidates(scales)[: _TOP.get(band, 5)]
    findings = [each.finding for each in top]
    if band == "small":
        yield from one_case(findings)
        return
    grave = [each.finding.id for each in top if each.level == "high"]
    yield from single_cases(findings, grave if band == "large" else ())


def candidates(scales: Scales) -> list[Weighed]:
    return [e for e in scales.risks if e.source == RISK and is_supported(e.finding.citation)]
