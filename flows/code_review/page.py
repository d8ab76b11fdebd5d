"""The report for people. All words of agents, and all names from the project, are untrusted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from flowrunner.evidence.citations import is_supported
from flowrunner.evidence.text import code_block, findings_table, inline, visible
from flowrunner.wire.findings import Claim, Finding, Verdict

from .decide import Judgement
from .fold import Seat

_TICKS = re.compile(r"`+")
_LONG = 4000
_SENTENCES = {
    "approve": "Every reviewer answered, every file was read, and only notes are left.",
    "comment": "Read the points below before this goes on.",
    "block": "Something critical stands: this should not go on as it is.",
    "inconclusive": "This says nothing about the code, neither good nor bad.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What the page tells; *unchecked* are claims of a run that broke off before the fold."""

    judgement: Judgement
    seats: Sequence[Seat]
    header: Mapping[str, JsonValue]
    unchecked: Sequence[tuple[str, Claim]]
    partial: bool


def page(told: Page) -> str:
    """Return Markdown; whatever is untrusted in it can only be read, not rendered."""
    return "\n\n".join(part for part in _parts(told) if part) + "\n"


def code_span(text: str, *, in_table: bool = False) -> str:
    """Return *text* as inline code that it cannot end, nor the cell around it."""
    shown = visible(text) or " "
    shown = shown.replace("|", "\\|") if in_table else shown
    ticks = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def _parts(told: Page) -> Iterator[str]:
    judgement = told.judgement
    yield f"# Code review: {judgement.verdict}"
    yield from _warnings(told)
    yield _SENTENCES[judgement.verdict]
    yield _list("Why not approved", judgement.reasons)
    yield _header(told.header)
    yield f"## Reviewers\n\n{_roster(told.seats)}"
    yield from _findings(judgement)
    yield from _unchecked(told.unchecked)
    yield _list("Summaries", [f"{s.key}: {s.summary}" for s in told.seats if s.summary.strip()])
    yield _list("Deferred", judgement.deferred)
    yield _list("Assumptions", judgement.assumptions)


def _warnings(told: Page) -> Iterator[str]:
    """Say first what a reader must not overlook (P9)."""
    if told.partial:
        yield "> **The run did not complete.** What follows is what there was when it ended."
    silent = [seat for seat in told.seats if seat.fate in {"failed", "empty"}]
    if silent:
        names = ", ".join(f"{seat.key} ({inline(seat.detail or seat.fate)})" for seat in silent)
        called = sum(seat.fate not in {"skipped", "excluded"} for seat in told.seats)
        yield f"> **Degraded: {len(silent)} of {called} reviewers gave no usable answer:** {names}."
    answered = [seat for seat in told.seats if seat.fate == "answered"]
    if answered and not any(seat.model_asked for seat in answered):
        yield (
            "> **No model was asked.** Only static checks were made: they find defects that have a "
            "shape, and say nothing about whether the code does what it should."
        )


def _header(header: Mapping[str, JsonValue]) -> str:
    rows = [(name, value) for name, value in _header_rows(header) if value]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def _header_rows(header: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    yield "Flow", f"{header['flow']}, band {header['band']}"
    yield "Project", inline(str(header["project"]))
    for name in ("commit", "base", "head", "model"):
        value = header[name]
        yield name.capitalize(), code_span(str(value), in_table=True) if value else ""
    yield "Files", "" if header["files"] is None else str(header["files"])
    yield "Census", _census(header["census"])
    tokens = header["input_tokens"], header["output_tokens"]
    yield "Tokens", "" if tokens[0] is None else f"{tokens[0]} in, {tokens[1]} out"
    cost = header["cost_microusd"]
    yield "Cost", f"${cost / 1_000_000:.4f}" if isinstance(cost, int) and cost else ""
    seconds = header["seconds"]
    yield "Duration", f"{seconds:.0f} s" if isinstance(seconds, float) else ""
    yield "Degraded", "yes" if header["degraded"] else "no"
    yield "Run", code_span(str(header["run"]))


def _census(census: JsonValue) -> str:
    counted = census if isinstance(census, dict) else {}
    sizes = ((name, len(each)) for name, each in counted.items() if isinstance(each, list | dict))
    return ", ".join(f"{size} {name}" for name, size in sizes if size or name in {"ok", "failed"})


def _roster(seats: Sequence[Seat]) -> str:
    lines = ["| Reviewer | Persona | Result | Findings | Files read |", "|---|---|---|---|---|"]
    for seat in seats:
        result = seat.fate if seat.fate != "answered" else _answered(seat)
        detail = f": {inline(seat.detail, 120)}" if seat.detail else ""
        counts = (str(seat.finding_count), str(seat.file_count)) if not detail else ("", "")
        counts = counts if seat.fate == "answered" else ("", "")
        lines.append(f"| {seat.key} | {seat.persona} | {result}{detail} | {' | '.join(counts)} |")
    return "\n".join(lines)


def _answered(seat: Seat) -> str:
    how = "answered" if seat.model_asked else "answered, static checks only"
    return f"{how}, cut short" if seat.truncated else how


def _findings(judgement: Judgement) -> Iterator[str]:
    by_id = {finding.id: finding for finding in judgement.findings}
    shown = [by_id[name] for name in judgement.shown if name in by_id]
    hidden = len(judgement.findings) - len(shown)
    if not judgement.findings:
        yield "## Findings\n\nNone."
        return
    yield f"## Findings\n\n{findings_table(shown)}"
    if hidden:
        yield f"{hidden} more of the same severities are not listed here; the JSON report has them."
    for number, finding in enumerate(shown, start=1):
        yield "\n\n".join(_finding(number, finding))


def _finding(number: int, finding: Finding) -> Iterator[str]:
    claim = finding.claim
    yield f"### {number}. {claim.severity.value}: {inline(claim.title)}"
    yield " · ".join(_marks(finding))
    yield code_block(claim.quote)
    yield inline(claim.claim, _LONG)
    if claim.reach:
        yield f"Reached: {inline(claim.reach, _LONG)}"
    if claim.suggestion:
        yield f"Suggestion: {inline(claim.suggestion, _LONG)}"
    if finding.counter_evidence:
        yield f"Against it: {inline(finding.counter_evidence, _LONG)}"
    for other in finding.others:
        said = inline(f"{other.title}. {other.claim}", _LONG)
        yield f"Also said ({other.severity.value}): {said}"


def _marks(finding: Finding) -> Iterator[str]:
    claim = finding.claim
    last = f"-{claim.line_end}" if claim.line_end and claim.line_end > claim.line_start else ""
    yield code_span(f"{claim.file}:{claim.line_start}{last}")
    yield inline(claim.category + (f" / {claim.rule}" if claim.rule else ""))
    yield f"by {', '.join(finding.sources)}"
    yield f"confidence {claim.confidence:.2f}"
    if not is_supported(finding.citation):
        yield f"**quotation not found ({finding.citation.value.replace('_', ' ')})**"
    if finding.verdict is not Verdict.UNVERIFIED:
        yield finding.verdict.value.replace("_", " ")
    if finding.demoted_from is not None:
        yield f"lowered from {finding.demoted_from.value}: {inline(finding.demotion)}"


def _unchecked(said: Sequence[tuple[str, Claim]]) -> Iterator[str]:
    if not said:
        return
    lines = ["| | Claim | Place | By |", "|---|---|---|---|"]
    for key, claim in said:
        place = code_span(f"{claim.file}:{claim.line_start}", in_table=True)
        lines.append(f"| {claim.severity.value} | {inline(claim.title)} | {place} | {key} |")
    why = "The run ended before these were compared with the files."
    yield "\n".join(["## Said, but not checked", "", why, "", *lines])


def _list(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return "\n".join([f"## {title}", "", *(f"- {inline(line, _LONG)}" for line in lines)])
