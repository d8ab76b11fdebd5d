"""Findings of one kind are told once: the same rule with the same consequence, at many places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowrunner.evidence.citations import is_supported
from flowrunner.evidence.text import code_block, code_span, inline
from flowrunner.wire.findings import Citation, Claim, Finding, Verdict

LONG = 4000
PLACES = 10
"""So many places of one kind are listed; the JSON report has all."""
COMPUTED = "computed"
"""Instead of a verdict: no model said it, and the same program would say it again."""


@dataclass(frozen=True, slots=True)
class Kind:
    """*findings* differ only in where they are; *note* says why they were not verified."""

    findings: tuple[Finding, ...]
    note: str = ""

    @property
    def first(self) -> Finding:
        return self.findings[0]

    @property
    def title(self) -> str:
        count = len(self.findings)
        if count == 1:
            return self.first.claim.title
        more = f"at {count} places" if self.is_uniform else f"and {count - 1} more of this kind"
        return f"{self.first.claim.title}, {more}"

    @property
    def is_uniform(self) -> bool:
        """Return whether the title is the same everywhere."""
        return len({finding.claim.title for finding in self.findings}) == 1

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for f in self.findings for name in f.sources))


def kinds_of(findings: Sequence[Finding], notes: Mapping[str, str] | None = None) -> list[Kind]:
    """Put together what a reader would skip the second time; the order is that of the first."""
    found: dict[object, list[Finding]] = {}
    for finding in findings:
        note = (notes or {}).get(finding.id, "")
        found.setdefault((_kind(finding), note), []).append(finding)
    return [Kind(tuple(same), (notes or {}).get(same[0].id, "")) for same in found.values()]


def kinds_table(
    kinds: Sequence[Kind], computed: frozenset[str] = frozenset(), *, with_ids: bool = False
) -> str:
    """Return a table, one row per kind; *computed* are the sources behind which is no model."""
    names = ["Id"] * with_ids + ["", "Finding", "Place", "By", "Verdict"]
    rows = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for kind in kinds:
        claim = kind.first.claim
        place = code_span(f"{claim.file}:{claim.line_start}", in_table=True)
        if not is_supported(kind.first.citation):
            place += f" ({kind.first.citation.value.replace('_', ' ')})"
        said = (inline(kind.title), place, inline(", ".join(kind.sources)), _word(kind, computed))
        ids = [f"`{kind.first.id}`"] * with_ids
        rows.append(f"| {' | '.join((*ids, claim.severity.value, *said))} |")
    return "\n".join(rows)


def kind_section(number: int, kind: Kind) -> str:
    """Return what is said of one kind, with a quotation of every place."""
    return "\n\n".join(filter(None, _section(number, kind)))


def _kind(finding: Finding) -> object:
    """Return what makes a finding one of a kind; its id where it has something of its own."""
    claim = finding.claim
    own = claim.reach or finding.counter_evidence or finding.others or finding.demoted_from
    if own or not claim.rule:
        return finding.id
    said = (claim.rule, claim.category, claim.severity, claim.claim, claim.suggestion)
    return (*said, claim.confidence, finding.verdict, finding.citation)


def _word(kind: Kind, computed: frozenset[str]) -> str:
    if kind.first.verdict is Verdict.UNVERIFIED and computed.issuperset(kind.sources):
        return COMPUTED
    return kind.first.verdict.value.replace("_", " ")


def _section(number: int, kind: Kind) -> Iterator[str]:
    finding, claim = kind.first, kind.first.claim
    yield f"### {number}. {claim.severity.value}: {inline(kind.title)}"
    marks = [*_marks(kind), *([f"**not verified: {inline(kind.note)}**"] if kind.note else [])]
    if len(kind.findings) == 1:
        yield " · ".join([_place(claim), *marks])
        yield code_block(claim.quote)
    else:
        yield " · ".join(marks)
        yield "\n".join(_places(kind))
    yield inline(claim.claim, LONG)
    if claim.reach:
        yield f"Reached: {inline(claim.reach, LONG)}"
    if claim.suggestion:
        yield f"Suggestion: {inline(claim.suggestion, LONG)}"
    if finding.counter_evidence:
        yield f"Against it: {inline(finding.counter_evidence, LONG)}"
    for other in finding.others:
        said = inline(f"{other.title}. {other.claim}", LONG)
        yield f"Also said ({other.severity.value}): {said}"


def _places(kind: Kind) -> Iterator[str]:
    for finding in kind.findings[:PLACES]:
        claim = finding.claim
        quoted = code_span(next(iter(claim.quote.strip().splitlines()), "")[:160])
        yield f"- {_place(claim)}: {quoted if kind.is_uniform else inline(claim.title)}"
    if len(kind.findings) > PLACES:
        yield f"- and {len(kind.findings) - PLACES} more, in the JSON report"


def _place(claim: Claim) -> str:
    last = f"-{claim.line_end}" if claim.line_end and claim.line_end > claim.line_start else ""
    return code_span(f"{claim.file}:{claim.line_start}{last}")


def _marks(kind: Kind) -> Iterator[str]:
    finding, claim = kind.first, kind.first.claim
    yield inline(claim.category + (f" / {claim.rule}" if claim.rule else ""))
    yield f"by {', '.join(kind.sources)}"
    yield f"confidence {claim.confidence:.2f}"
    if not is_supported(finding.citation):
        yield f"**quotation not found ({finding.citation.value.replace('_', ' ')})**"
    elif finding.citation is Citation.MOVED:
        yield "cited elsewhere, found here"
    if finding.verdict is not Verdict.UNVERIFIED:
        yield finding.verdict.value.replace("_", " ")
    if finding.demoted_from is not None:
        yield f"lowered from {finding.demoted_from.value}: {inline(finding.demotion)}"
