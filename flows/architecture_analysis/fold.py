"""What analysts and the inventory say becomes one list of findings, each checked."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.citations import relative_name
from flowrunner.evidence.folding import fold as fold_answers
from flowrunner.evidence.tree import Tree
from flowrunner.wire.findings import Answer, Finding

from .._shared.parts import outputs_of
from .._shared.seats import Seat, seat_of
from .instructions import stock_of
from .roster import ANALYSTS

CODE = "inventory"


class Folded(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    seats: tuple[Seat, ...]
    findings: tuple[Finding, ...]


def fold(ctx: Context) -> Folded:
    """Dedupe and check citations; the same answers over the same tree give the same bytes."""
    stock = stock_of(ctx)
    answers = [(CODE, Answer(findings=stock.claims)), *_answers(ctx)]
    tree = stock.ground.tree(ctx.project.root)
    cited = {name for _, answer in answers for name in _cited(answer, tree)}
    return Folded(
        seats=tuple(seat_of(a.key, a.persona, ctx) for a in ANALYSTS),
        findings=fold_answers(answers, stock.ground.tree(ctx.project.root, cited)),
    )


def _answers(ctx: Context) -> Iterator[tuple[str, Answer]]:
    for analyst in ANALYSTS:
        for answer in outputs_of(ctx, analyst.key, Answer):
            yield analyst.key, answer


def _cited(answer: Answer, tree: Tree) -> Iterator[str]:
    names = (relative_name(tree, claim.file) for claim in answer.findings)
    yield from (name for name in names if name is not None)
