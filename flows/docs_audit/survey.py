"""The first step: which pages there are, and all that code can say about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.evidence.docs.audit import Audit
from flowrunner.evidence.docs.pages import Page, is_page
from flowrunner.evidence.docs.ranking import CATEGORY, CONSEQUENCES
from flowrunner.evidence.docs.said import ABOUT, Said, words_of
from flowrunner.evidence.docs.statements import Statement
from flowrunner.evidence.languages import is_test
from flowrunner.evidence.quoting import quote_at
from flowrunner.evidence.scope import build_scope
from flowrunner.evidence.severity import CONFIDENCE
from flowrunner.evidence.text import visible
from flowrunner.wire.findings import Claim

from .._shared.batches import Batch, batch
from .._shared.ground import Ground, pin
from .request import SMALL_PAGES, Request

MAX_FAULTS = 500
"""So many false statements are listed; the numbers count all."""


class Tally(BaseModel):
    """How many statements of one kind code has judged, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    true: int = 0
    false: int = 0
    unknown: int = 0


class Ledger(BaseModel):
    """*faults* are statements that code has found false, *open* those that it could not judge.

    *unread* are pages that no agent is asked to read in this band; code has checked them too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ground: Ground
    batches: tuple[Batch, ...]
    faults: tuple[Claim, ...]
    open: tuple[Said, ...]
    judged: dict[str, tuple[int, ...]]
    tallies: dict[str, Tally]
    unread: tuple[str, ...] = ()
    unlisted: int = 0


def survey(ctx: Context) -> Ledger:
    """List, pin and check every page. Raises InvalidInputError for a path that is not there."""
    root = ctx.project.root
    found = build_scope(root, paths=ctx.given(Request).paths)
    pages = [f for f in found.files if is_page(f.path) and not is_test(f.path)]
    ground = pin(root, found.model_copy(update={"files": tuple(pages), "signals": ()}))
    wanted = sorted(ground.files, key=_first)
    read = wanted[:SMALL_PAGES] if ctx.band == "small" else wanted
    said = [(page, each) for page, each in _statements(Audit(root), ground)]
    faults = [claim for page, each in said if each.holds is False and (claim := _claim(page, each))]
    return Ledger(
        ground=ground,
        batches=tuple(batch(root, read)),
        faults=tuple(faults[:MAX_FAULTS]),
        open=tuple(s for page, each in said if each.holds is None and (s := _open(page, each))),
        judged=_judged(said),
        tallies=_tallies([each for _, each in said]),
        unread=tuple(wanted[len(read) :]),
        unlisted=max(0, len(faults) - MAX_FAULTS),
    )


def _first(path: str) -> tuple[bool, int, str]:
    """Order by what readers open first: the README, then what lies near the root."""
    place = PurePosixPath(path)
    return not place.stem.lower().startswith("readme"), len(place.parts), path


def _statements(audit: Audit, ground: Ground) -> Iterator[tuple[Page, Statement]]:
    for path in ground.files:
        page = audit.page(path)
        for each in audit.told(path) if page is not None else ():
            if page is not None:
                yield page, each


def _claim(page: Page, each: Statement) -> Claim | None:
    quoted = quote_at(page.lines, each.line)
    if quoted is None:
        return None
    severity, consequence = CONSEQUENCES[each.kind]
    return Claim(
        rule=each.kind.value,
        category=CATEGORY,
        severity=severity,
        title=visible(each.why)[:200],
        claim=consequence,
        file=page.path,
        line_start=quoted.first,
        line_end=quoted.last,
        quote=quoted.text,
        confidence=CONFIDENCE[severity],
    )


def _open(page: Page, each: Statement) -> Said | None:
    quoted = quote_at(page.lines, each.line)
    if quoted is None:
        return None
    says, about = words_of(each), ABOUT[each.kind]
    return Said(file=page.path, line_start=quoted.first, quote=quoted.text, says=says, about=about)


def _judged(said: list[tuple[Page, Statement]]) -> dict[str, tuple[int, ...]]:
    """Return, by page and what it is about, the lines on which code has judged something."""
    lines: dict[str, set[int]] = {}
    for page, each in said:
        if each.holds is not None:
            lines.setdefault(f"{ABOUT[each.kind]} {page.path}", set()).add(each.line)
    return {name: tuple(sorted(found)) for name, found in sorted(lines.items())}


def _tallies(said: list[Statement]) -> dict[str, Tally]:
    counts = Counter((each.kind.value, each.holds) for each in said)
    kinds = sorted({kind for kind, _ in counts})
    return {
        k: Tally(true=counts[k, True], false=counts[k, False], unknown=counts[k, None])
        for k in kinds
    }
