"""Many answers become one list of findings, and a record of who answered and who did not."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.citations import relative_name
from flowrunner.evidence.folding import fold as fold_answers
from flowrunner.evidence.tree import Tree
from flowrunner.wire.findings import Answer, Finding

from .._shared.ground import Ground
from .._shared.parts import outputs_of
from .._shared.seats import Seat, seat_of
from .roster import REVIEWERS


class Folded(BaseModel):
    """*unread* are files that were handed out and that no answer claims to have read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seats: tuple[Seat, ...]
    findings: tuple[Finding, ...]
    unread: tuple[str, ...] = ()


def fold(ctx: Context) -> Folded:
    """Dedupe and check citations; the same answers over the same tree give the same bytes."""
    ground = ctx.result("scope", Ground)
    if ground is None:
        raise ValueError("there is no scope to fold over")
    answers = tuple(_answers(ctx))
    bare = Tree(ctx.project.root, ground.pins, ground.scope.commit)
    cited = {name for _, answer in answers for name in _cited(answer, bare)}
    findings = fold_answers(answers, ground.tree(ctx.project.root, cited))
    read = {name for _, answer in answers for name in _read(answer, bare)}
    return Folded(
        seats=seats_of(ctx),
        findings=findings,
        unread=tuple(path for path in ground.files if path not in read),
    )


def seats_of(ctx: Context) -> tuple[Seat, ...]:
    """Return what came of each reviewer; of a change that only deletes there is a diff to read."""
    ground = ctx.result("scope", Ground)
    has_files = ground is None or bool(ground.files)
    return tuple(seat_of(each.key, each.persona, ctx, has_files=has_files) for each in REVIEWERS)


def _answers(ctx: Context) -> Iterator[tuple[str, Answer]]:
    for reviewer in REVIEWERS:
        for answer in outputs_of(ctx, reviewer.key, Answer):
            yield reviewer.key, answer


def _cited(answer: Answer, tree: Tree) -> Iterator[str]:
    names = (relative_name(tree, claim.file) for claim in answer.findings)
    yield from (name for name in names if name is not None)


def _read(answer: Answer, tree: Tree) -> Iterator[str]:
    names = (relative_name(tree, file) for file in answer.reviewed_files)
    yield from (name for name in names if name is not None)
