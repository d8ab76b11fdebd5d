"""Many answers become one list of findings, and a record of who answered and who did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.citations import relative_name
from flowrunner.evidence.folding import fold as fold_answers
from flowrunner.evidence.tree import Tree
from flowrunner.wire.findings import Answer, Finding

from .roster import REVIEWERS, Reviewer
from .scope import Ground

Fate = Literal["answered", "empty", "failed", "skipped", "excluded"]


class Seat(BaseModel):
    """One reviewer and what came of it; *detail* says why there is no usable answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    persona: str
    fate: Fate
    detail: str = ""
    summary: str = ""
    finding_count: int = 0
    file_count: int = 0
    model_asked: bool = False
    truncated: bool = False


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
    answers = dict(_answers(ctx))
    bare = Tree(ctx.project.root, ground.pins, ground.scope.commit)
    cited = {name for answer in answers.values() for name in _cited(answer, bare)}
    findings = fold_answers(tuple(answers.items()), ground.tree(ctx.project.root, cited))
    read = {name for answer in answers.values() for name in _read(answer, bare)}
    return Folded(
        seats=tuple(seat_of(reviewer, ctx) for reviewer in REVIEWERS),
        findings=findings,
        unread=tuple(path for path in ground.files if path not in read),
    )


def seat_of(reviewer: Reviewer, ctx: Context) -> Seat:
    """Return what came of one reviewer; an answer that says nothing is none (P9)."""
    outcome = ctx.outcomes.get(reviewer.key)
    answer = ctx.result(reviewer.key, Answer)
    seat = Seat(key=reviewer.key, persona=reviewer.persona, fate="failed")
    if answer is not None:
        said = answer.findings or answer.reviewed_files or answer.summary.strip()
        return seat.model_copy(
            update={
                "fate": "answered" if said else "empty",
                "detail": "" if said else "an answer without findings, files or a summary",
                "summary": answer.summary,
                "finding_count": len(answer.findings),
                "file_count": len(answer.reviewed_files),
                "model_asked": answer.model_asked,
                "truncated": answer.truncated,
            }
        )
    if outcome is not None and outcome.status in {"skipped", "excluded"}:
        return seat.model_copy(update={"fate": outcome.status})
    status = "there is no such step" if outcome is None else outcome.message or outcome.status
    return seat.model_copy(update={"detail": status})


def _answers(ctx: Context) -> Iterator[tuple[str, Answer]]:
    for reviewer in REVIEWERS:
        answer = ctx.result(reviewer.key, Answer)
        if answer is not None:
            yield reviewer.key, answer


def _cited(answer: Answer, tree: Tree) -> Iterator[str]:
    names = (relative_name(tree, claim.file) for claim in answer.findings)
    yield from (name for name in names if name is not None)


def _read(answer: Answer, tree: Tree) -> Iterator[str]:
    names = (relative_name(tree, file) for file in answer.reviewed_files)
    yield from (name for name in names if name is not None)
