"""What analysts and judges are asked; the inventory is quoted, for its names are the project's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flowrunner import Context
from flowrunner.definitions.prompts import fence

from .._shared.wording import ANSWER, EVIDENCE, READ_ONLY, SEVERITY, material, scope_block
from .inventory import Stock, facts
from .request import Request
from .roster import Analyst

METHOD = """\
1. Begin with the inventory: a program made it, its counts and places are right. What it means is \
yours to find out.
2. Read what the inventory points at, then the parts that most others use, then the entry points.
3. Report what will hurt: the change that touches ten files, the failure that spreads, the rule \
that the project states and breaks. Name that change or failure in the claim.
4. Before you report something, try to refute it. Look for the reason it is so.
5. Prefer few findings with a consequence to many observations. Name the simpler way if there is \
one: deleting is one.
6. Finding nothing is a good answer if you have looked."""


def prompt_for(analyst: Analyst) -> Callable[[Context], str]:
    """Return the step's prompt builder."""

    def prompt(ctx: Context) -> str:
        stock = stock_of(ctx)
        task = f"Analyse the architecture of the project in your working directory. {analyst.lens}"
        return "\n\n".join(
            [
                f"# Your task\n\n{task}\n\n{READ_ONLY}",
                scope_block(stock.ground.files, ctx.nonce),
                material(ctx.nonce),
                *background(ctx, stock),
                f"## How to work\n\n{METHOD}",
                f"## Evidence\n\n{EVIDENCE}",
                f"## Severity\n\n{SEVERITY}",
                f"## Your answer\n\n{ANSWER}",
            ]
        )

    prompt.__name__ = f"prompt_of_{analyst.key}"
    return prompt


def stock_of(ctx: Context) -> Stock:
    stock = ctx.result("inventory", Stock)
    if stock is None:
        raise ValueError("there is no inventory")
    return stock


def background(ctx: Context, stock: Stock) -> Iterator[str]:
    """Yield the inventory, and what whoever asked has said."""
    told = "\n".join(facts(stock))
    yield f"## The inventory\n\n{fence(told, ctx.nonce, 'inventory', cap=60_000)}"
    request = ctx.given(Request)
    for text, name in ((request.focus, "focus"), (request.context, "context")):
        if text:
            yield f"## Asked for ({name}, checked by nobody)\n\n{fence(text, ctx.nonce, name)}"
