"""Agents look into what code cannot judge; how many statements each gets is the band's business.

| small | medium | large |
|---|---|---|
| the gravest, by one agent | ten by each | four by each |

Where no model has read the pages, nobody is asked to examine: the same program would answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner import Context

from .._shared.verifying import Case, one_case, verifier_prompt
from .compare import Compared

STEP = "examine"
MAX_CASES = 400
_PER_CASE = {"small": 40, "medium": 10, "large": 4}

TASK = """\
These are statements from the documentation of the project in your working directory. Find out \
for each whether the project as it is bears it out. `refuted`: it is false, and you quote the \
code that shows it. `partially_refuted`: true only with a condition that the page does not name; \
quote it. `confirmed`: you have seen the code that makes it true. A page is no proof of itself."""


def members(ctx: Context) -> Sequence[dict[str, object]]:
    compared = ctx.result("compare", Compared)
    return [case.model_dump(mode="json") for case in cases(ctx.band, compared)] if compared else []


def key(member: dict[str, object]) -> str:
    return Case.model_validate(member).key


def prompt(ctx: Context) -> str:
    compared = ctx.result("compare", Compared)
    if compared is None:
        raise ValueError("there is nothing to examine")
    return verifier_prompt(ctx, compared.open, TASK)


def cases(band: str, compared: Compared) -> Iterator[Case]:
    """Yield what is examined; a case is named by its first statement."""
    if not compared.seat.model_asked:
        return
    if band == "small":
        yield from one_case(compared.open)
        return
    size = _PER_CASE.get(band, 10)
    for at in range(0, min(len(compared.open), size * MAX_CASES), size):
        part = compared.open[at : at + size]
        yield Case(key=part[0].fingerprint, findings=tuple(finding.id for finding in part))
