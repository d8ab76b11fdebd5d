"""Architects draw the picture: which parts there are, what each is for, and what they advise."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from flowrunner import Context
from flowrunner.definitions.prompts import fence
from flowrunner.wire.findings import Untold

from .._shared.seats import Form, Seat, seat_by
from .._shared.wording import READ_ONLY, material, scope_block
from .instructions import background, stock_of
from .risk import Deferred, Risks, found

ARCHITECT, SYSTEM = ("architect", "software-architect"), ("system", "system-architect")

KEYS = (ARCHITECT[0], SYSTEM[0])

TASK = """\
Others have analysed the project in your working directory. Draw the picture from what they found \
and from what you read yourself: its parts, what each is for, and what you would do next. {lens}"""
LENSES = {
    "architect": "Look inside: modules, their contracts, and the order in which they may change.",
    "system": "Look from outside: processes, stores, networks, what happens when one is gone.",
}

ANSWER = """\
Your answer is one JSON object, for example:

```json
{
  "summary": "a few sentences for somebody who has never seen this project",
  "truncated": false,
  "components": [{"name": "as in the inventory", "role": "what it is for, in a sentence"}],
  "advice": ["the smallest step first; each says what it ends"],
  "deferred": [{"what": "what need not be done now", "reopen_when": "the sign that it must be"}]
}
```"""


class Component(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=200)
    role: str = Field(default="", max_length=1000)


class Picture(BaseModel):
    """*advice* begins with the smallest step."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    components: tuple[Component, ...] = Field(max_length=200)
    advice: tuple[str, ...] = Field(default=(), max_length=50)
    deferred: tuple[Deferred, ...] = Field(default=(), max_length=100)
    summary: str = Field(default="", max_length=4000)
    model_asked: Untold = True
    truncated: bool = False


def prompt_for(key: str) -> Callable[[Context], str]:
    """Return the step's prompt builder."""

    def prompt(ctx: Context) -> str:
        stock = stock_of(ctx)
        weighed = ctx.result("risk", Risks)
        risks = [weighed.summary] if weighed and weighed.summary else []
        return "\n\n".join(
            [
                f"# Your task\n\n{TASK.format(lens=LENSES[key])}\n\n{READ_ONLY}",
                scope_block(stock.ground.files, ctx.nonce, answer="picture"),
                material(ctx.nonce),
                *background(ctx, stock),
                found(ctx),
                *(f"## The risks in short\n\n{fence(t, ctx.nonce, 'summary')}" for t in risks),
                f"## Your answer\n\n{ANSWER}",
            ]
        )

    prompt.__name__ = f"prompt_of_{key}"
    return prompt


def seats(ctx: Context) -> tuple[Seat, ...]:
    both = (ARCHITECT, SYSTEM)
    return tuple(seat_by(key, persona, ctx, Form(Picture, _counts)) for key, persona in both)


def _counts(answer: Picture) -> tuple[int, int]:
    return len(answer.components) + len(answer.advice), 0
