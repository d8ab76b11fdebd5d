"""Parts of reports for people. All words of agents, and all names from a project, are untrusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from flowrunner.evidence.text import code_span, inline
from flowrunner.wire.findings import Claim

from .seats import Seat

LONG = 4000

NO_MODEL = (
    "> **No model was asked.** Only static checks were made: they find defects that have a "
    "shape, and say nothing about whether {what}."
)


def joined(parts: Iterator[str]) -> str:
    """Return Markdown; whatever is untrusted in it can only be read, not rendered."""
    return "\n\n".join(part for part in parts if part) + "\n"


def warnings(seats: Sequence[Seat], *, partial: bool, what: str) -> Iterator[str]:
    """Say first what a reader must not overlook (P9); *what* is left open without a model."""
    if partial:
        yield "> **The run did not complete.** What follows is what there was when it ended."
    silent = [seat for seat in seats if seat.fate in {"failed", "empty", "partial"}]
    if silent:
        names = ", ".join(f"{seat.key} ({inline(seat.detail or seat.fate)})" for seat in silent)
        called = sum(seat.fate not in {"skipped", "excluded"} for seat in seats)
        yield f"> **Degraded: {len(silent)} of {called} reviewers gave no usable answer:** {names}."
    answered = [seat for seat in seats if seat.has_said]
    if answered and not any(seat.model_asked for seat in answered):
        yield NO_MODEL.format(what=what)


def header_table(header: Mapping[str, JsonValue]) -> str:
    rows = [(name, value) for name, value in _header_rows(header) if value]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def roster(seats: Sequence[Seat], who: str = "Reviewer", said: str = "Findings") -> str:
    lines = [f"| {who} | Persona | Result | {said} | Files read |", "|---|---|---|---|---|"]
    for seat in seats:
        result = seat.fate if not seat.has_said else _answered(seat)
        detail = f": {inline(seat.detail, 120)}" if seat.detail else ""
        counts = (str(seat.finding_count), str(seat.file_count)) if seat.has_said else ("", "")
        lines.append(f"| {seat.key} | {seat.persona} | {result}{detail} | {' | '.join(counts)} |")
    return "\n".join(lines)


def listing(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return "\n".join([f"## {title}", "", *(f"- {inline(line, LONG)}" for line in lines)])


def summaries(seats: Sequence[Seat]) -> str:
    """Return what agents said in general; who said the same stands in one line."""
    said: dict[str, list[str]] = {}
    for seat in seats:
        for line in seat.summary.splitlines():
            said.setdefault(line, []).append(seat.key)
    return listing("Summaries", [f"{', '.join(keys)}: {line}" for line, keys in said.items()])


def computing(seats: Sequence[Seat]) -> frozenset[str]:
    """Return the sources behind which is no model."""
    return frozenset(seat.key for seat in seats if seat.has_said and not seat.model_asked)


def claims_table(said: Sequence[tuple[str, Claim]]) -> str:
    """Return what was claimed when a run broke off before anybody could check it."""
    if not said:
        return ""
    lines = ["| | Claim | Place | By |", "|---|---|---|---|"]
    for key, claim in said:
        place = code_span(f"{claim.file}:{claim.line_start}", in_table=True)
        lines.append(f"| {claim.severity.value} | {inline(claim.title)} | {place} | {key} |")
    why = "The run ended before these were compared with the files."
    return "\n".join(["## Said, but not checked", "", why, "", *lines])


def _header_rows(header: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    yield "Flow", f"{header['flow']}, band {header['band']}"
    yield "Project", inline(str(header["project"]))
    for name in ("commit", "base", "head", "model"):
        value = header.get(name)
        yield name.capitalize(), code_span(str(value), in_table=True) if value else ""
    files = header.get("files")
    yield "Files", "" if files is None else str(files)
    yield "Steps", _census(header["census"])
    tokens = header["input_tokens"], header["output_tokens"]
    yield "Tokens", f"{tokens[0]} in, {tokens[1]} out" if any(tokens) else ""
    cost = header["cost_microusd"]
    yield "Cost", f"${cost / 1_000_000:.4f}" if isinstance(cost, int) and cost else ""
    seconds = header["seconds"]
    yield "Duration", f"{seconds:.0f} s" if isinstance(seconds, float) else ""
    yield "Quotations", _counted(header.get("quotations"))
    yield "Degraded", "yes" if header["degraded"] else ""
    yield "Run", code_span(str(header["run"]))


def _census(census: JsonValue) -> str:
    counted = census if isinstance(census, dict) else {}
    sizes = ((name, len(each)) for name, each in counted.items() if isinstance(each, list | dict))
    return ", ".join(f"{size} {name}" for name, size in sizes if size or name in {"ok", "failed"})


def _counted(quotations: JsonValue) -> str:
    counted = quotations if isinstance(quotations, dict) else {}
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counted.items())


def _answered(seat: Seat) -> str:
    how = "answered" if seat.fate == "answered" else "answered in part"
    how = how if seat.model_asked else f"{how}, static checks only"
    batches = f", {seat.batch_count} batches" if seat.batch_count > 1 else ""
    return f"{how}{batches}, cut short" if seat.truncated else f"{how}{batches}"
