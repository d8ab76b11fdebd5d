"""Answers in other forms than findings: what can be said without a model, and that none was asked.

A judgement is never made up: whoever asks for one gets an empty answer that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel, JsonValue

from flowrunner.core.errors import InvalidInputError, Problem
from flowrunner.dispatch.static.prompt import Wish
from flowrunner.evidence.docs.audit import Audit
from flowrunner.evidence.docs.pages import Page
from flowrunner.evidence.docs.said import ABOUT, Extract, Said, words_of
from flowrunner.evidence.quoting import quote_at
from flowrunner.evidence.text import visible
from flowrunner.wire.findings import Ruling, Rulings, Verdict

Json: TypeAlias = dict[str, JsonValue]

MOST = 1000
UNASKED = "No model was asked"


def answer_in(wish: Wish, root: Path) -> Json:
    """Answer in the form that is wished for. Raises InvalidInputError for one that is unknown."""
    form = _FORMS.get(wish.answer)
    if form is None:
        known = ", ".join(("findings", *_FORMS))
        message = f"the form {visible(wish.answer)!r} is not one of {known}"
        raise InvalidInputError("the prompt is not understood", [Problem("unknown-form", message)])
    return form(wish, root)


def _rulings(wish: Wish, _root: Path) -> Json:
    reason = f"{UNASKED}: nobody has tried to refute this."
    rulings = (Ruling(finding=c, verdict=Verdict.UNVERIFIED, reason=reason) for c in wish.claims)
    return _json(Rulings(rulings=tuple(rulings), summary=f"{UNASKED}.", model_asked=False))


def _statements(wish: Wish, root: Path) -> Json:
    """Extract what a program can read off the pages, true or false."""
    audit = Audit(root)
    pages = [page for path in wish.files or () if (page := audit.page(path)) is not None]
    found = [said for page in pages for said in _said(page, audit)]
    summary = f"{UNASKED}: statements that a program can read off a page: {len(found)}."
    return _json(
        Extract(
            statements=tuple(found[:MOST]),
            pages_read=tuple(page.path for page in pages),
            summary=summary,
            model_asked=False,
            truncated=len(found) > MOST,
        )
    )


def _said(page: Page, audit: Audit) -> Iterator[Said]:
    for statement in audit.told(page.path):
        quoted = quote_at(page.lines, statement.line)
        if quoted is not None:
            yield Said(
                file=page.path,
                line_start=quoted.first,
                quote=quoted.text,
                says=words_of(statement),
                about=ABOUT[statement.kind],
            )


def _nothing(name: str) -> Callable[[Wish, Path], Json]:
    def answer(_wish: Wish, _root: Path) -> Json:
        return {name: [], "summary": f"{UNASKED}: this takes judgement.", "model_asked": False}

    return answer


def _json(answer: BaseModel) -> Json:
    return answer.model_dump(mode="json")


_FORMS: Mapping[str, Callable[[Wish, Path], Json]] = {
    "rulings": _rulings,
    "statements": _statements,
    "risks": _nothing("risks"),
    "picture": _nothing("components"),
}
