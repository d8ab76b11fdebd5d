"""One agent weighs what the others found: what may happen, how likely, and what it would cost."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from flowrunner import Context
from flowrunner.definitions.prompts import fence
from flowrunner.wire.findings import Line, Path, Untold

from .._shared.seats import Form, Seat, seat_by
from .._shared.wording import EVIDENCE, READ_ONLY, material, scope_block
from .fold import Folded
from .instructions import background, stock_of

STEP, PERSONA = "risk", "risk-analyst"
FINDINGS_SHOWN = 150

Level = Literal["low", "medium", "high"]

TASK = """\
Others have analysed the project in your working directory. Weigh what they found: name the risks \
that follow from it, the gravest first, at most 20."""

ANSWER = """\
Your answer is one JSON object, for example:

```json
{
  "summary": "a few sentences: where this project will hurt, and what you could not judge",
  "truncated": false,
  "risks": [
    {
      "title": "one line: what may happen",
      "claim": "what leads to it, when, and how you know",
      "likelihood": "low | medium | high",
      "impact": "low | medium | high",
      "file": "src/where/it/shows.py",
      "line_start": 10,
      "quote": "the exact text of this line",
      "option": "what would end it",
      "simpler": "the smaller step that would do for now"
    }
  ],
  "deferred": [{"what": "what need not be done now", "reopen_when": "the sign that it must be"}]
}
```"""


class Risk(BaseModel):
    """*simpler* is the smaller step beside the whole *option*."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: str = Field(min_length=1, max_length=200)
    claim: str = Field(default="", max_length=4000)
    likelihood: Level
    impact: Level
    file: Path
    line_start: Line
    line_end: Line | None = None
    quote: str = Field(max_length=2000)
    option: str = Field(default="", max_length=2000)
    simpler: str = Field(default="", max_length=2000)


class Deferred(BaseModel):
    """*reopen_when* is the sign at which it is no longer early."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    what: str = Field(min_length=1, max_length=1000)
    reopen_when: str = Field(min_length=1, max_length=1000)


class Risks(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    risks: tuple[Risk, ...] = Field(max_length=100)
    deferred: tuple[Deferred, ...] = Field(default=(), max_length=100)
    summary: str = Field(default="", max_length=4000)
    model_asked: Untold = True
    truncated: bool = False


def prompt(ctx: Context) -> str:
    """Return what the risk analyst is asked."""
    stock = stock_of(ctx)
    return "\n\n".join(
        [
            f"# Your task\n\n{TASK}\n\n{READ_ONLY}",
            scope_block(stock.ground.files, ctx.nonce, answer="risks"),
            material(ctx.nonce),
            *background(ctx, stock),
            found(ctx),
            f"## Evidence\n\n{EVIDENCE}",
            f"## Your answer\n\n{ANSWER}",
        ]
    )


def found(ctx: Context) -> str:
    """Return the findings as they are quoted in a prompt."""
    folded = ctx.result("fold", Folded)
    shown = [
        {"place": f"{c.file}:{c.line_start}", "severity": c.severity, "title": c.title,
         "claim": c.claim[:800], "by": list(f.sources)}
        for f in (folded.findings if folded else ())[:FINDINGS_SHOWN]
        for c in (f.claim,)
    ]  # fmt: skip
    text = json.dumps(shown, ensure_ascii=False, indent=1)
    return f"## What was found\n\n{fence(text, ctx.nonce, 'findings', cap=len(text))}"


def seat(ctx: Context) -> Seat:
    return seat_by(STEP, PERSONA, ctx, Form(Risks, lambda answer: (len(answer.risks), 0)))
