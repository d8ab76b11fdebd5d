"""What agents have read, held against what code has judged; what is left, others examine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.citations import check_citation, is_supported, relative_name
from flowrunner.evidence.docs.said import Extract, Said
from flowrunner.evidence.folding import fold
from flowrunner.evidence.tree import Tree
from flowrunner.wire.findings import Answer, Claim, Finding, Severity

from .._shared.parts import outputs_of
from .._shared.seats import Form, Seat, seat_by
from . import extract
from .survey import Ledger

MAX_OPEN = 400
_GRAVE = {"behaviour": Severity.MAJOR, "command": Severity.MAJOR, "setting": Severity.MAJOR}


class Compared(BaseModel):
    """*faults* were proved by code; *open* are statements that code could not judge.

    *invented* are statements whose quotation no page has; *covered* were judged by code already.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seat: Seat
    faults: tuple[Finding, ...]
    open: tuple[Finding, ...]
    invented: tuple[Finding, ...] = ()
    covered: int = 0
    beyond: int = 0
    unread: tuple[str, ...] = ()


def compare(ctx: Context) -> Compared:
    """Dedupe and check quotations; the same answers over the same pages give the same bytes."""
    ledger = ctx.result("survey", Ledger)
    if ledger is None:
        raise ValueError("there are no pages to compare with")
    bare = ledger.ground.tree(ctx.project.root)
    answers = tuple(outputs_of(ctx, extract.STEP, Extract))
    said = [each for answer in answers for each in answer.statements]
    cited = {name for each in said if (name := relative_name(bare, each.file)) is not None}
    tree = ledger.ground.tree(ctx.project.root, cited)
    left = [each for each in said if not _is_covered(each, ledger, tree)]
    found = _folded([*left, *ledger.open], tree)
    held = [finding for finding in found if is_supported(finding.citation)]
    read = {relative_name(tree, page) for answer in answers for page in answer.pages_read}
    asked = [page for batch in ledger.batches for page in batch.files]
    return Compared(
        seat=reader_seat(ctx),
        faults=fold([("checks", Answer(findings=ledger.faults))], tree),
        open=tuple(held[:MAX_OPEN]),
        invented=tuple(f for f in found if not is_supported(f.citation)),
        covered=len(said) - len(left),
        beyond=max(0, len(held) - MAX_OPEN),
        unread=tuple(page for page in asked if page not in read),
    )


def reader_seat(ctx: Context) -> Seat:
    """Return what came of those who read the pages."""
    return seat_by(extract.STEP, extract.PERSONA, ctx, Form(Extract, _counts, reads=True))


def _counts(answer: Extract) -> tuple[int, int]:
    return len(answer.statements), len(answer.pages_read)


def _is_covered(said: Said, ledger: Ledger, tree: Tree) -> bool:
    """Return whether code has judged a statement of that kind on one of these lines."""
    name = relative_name(tree, said.file)
    lines = ledger.judged.get(f"{said.about} {name}", ())
    is_there = any(said.line_start <= line <= (said.line_end or said.line_start) for line in lines)
    # What code has judged there is nothing that a page does not say.
    return is_there and is_supported(check_citation(said, tree))


def _folded(said: Iterable[Said], tree: Tree) -> list[Finding]:
    claims = tuple(_claims(said))
    # An answer holds at most 500 findings; the parts are folded as one list.
    parts = [claims[at : at + 500] for at in range(0, len(claims), 500)]
    return list(fold([(extract.STEP, Answer(findings=part)) for part in parts], tree))


def _claims(said: Iterable[Said]) -> Iterator[Claim]:
    for each in said:
        yield Claim(
            rule=f"statement/{each.about}/{each.says[:80]}",
            category="documentation",
            severity=_GRAVE.get(each.about, Severity.MINOR),
            title=each.says[:200],
            claim=each.says,
            file=each.file,
            line_start=each.line_start,
            line_end=each.line_end,
            quote=each.quote,
        )
