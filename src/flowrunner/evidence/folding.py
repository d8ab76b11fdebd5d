"""Many answers become one list: every claim checked, each place named once, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from flowrunner.evidence.citations import Lines, is_supported, locate
from flowrunner.evidence.fingerprints import fingerprint, occurrence, squeeze
from flowrunner.evidence.severity import rank
from flowrunner.evidence.symbols import enclosing_symbol
from flowrunner.evidence.tree import Refusal, Tree, read_lines
from flowrunner.wire.findings import Answer, Citation, Claim, Finding

_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class _Seen:
    """A claim with its citation judged; *order* is its place among all that were said."""

    source: str
    order: int
    claim: Claim
    citation: Citation
    base: str


def fold(answers: Sequence[tuple[str, Answer]], tree: Tree) -> tuple[Finding, ...]:
    """Return findings sorted by severity, file and line; the same input gives the same bytes.

    Claims with one fingerprint about one place become one finding with all its sources. A claim
    whose citation fails stays in the list, flagged (F-02, F-03).
    """
    lines_of = cache(partial(read_lines, tree))
    said = [(source, claim) for source, answer in answers for claim in answer.findings]
    groups: dict[str, list[_Seen]] = {}
    for order, (source, claim) in enumerate(said):
        seen = _see(source, order, claim, tree, lines_of)
        groups.setdefault(seen.base, []).append(seen)
    findings = [
        _merge(places, occurrence(base, number))
        for base, group in groups.items()
        for number, places in enumerate(_by_place(group), start=1)
    ]
    return tuple(sorted(findings, key=_sort_key))


def _see(
    source: str,
    order: int,
    claim: Claim,
    tree: Tree,
    lines_of: Callable[[str], Lines | Refusal],
) -> _Seen:
    found = locate(claim, tree, lines_of)
    corrected: dict[str, object] = {"file": found.file}
    if found.citation is Citation.MOVED:
        corrected |= {"line_start": found.first, "line_end": found.last}
    claim = claim.model_copy(update=corrected)
    symbol = None
    if is_supported(found.citation):
        lines = lines_of(found.file)
        if not isinstance(lines, Refusal):
            symbol = enclosing_symbol(found.file, lines, claim.line_start)
    return _Seen(source, order, claim, found.citation, fingerprint(claim, symbol))


def _by_place(group: Sequence[_Seen]) -> Iterator[list[_Seen]]:
    """Split claims that share a fingerprint into places, in the order of their lines."""
    ordered = sorted(group, key=lambda seen: (not is_supported(seen.citation), _span(seen.claim)))
    places: list[list[_Seen]] = []
    for seen in ordered:
        home = next((p for p in places if any(_same_place(seen, each) for each in p)), None)
        if home is None:
            places.append([seen])
        else:
            home.append(seen)
    yield from places


def _same_place(one: _Seen, other: _Seen) -> bool:
    if is_supported(one.citation) is not is_supported(other.citation):
        return False  # What was not found must not stand, unflagged, beside what was.
    if is_supported(one.citation):
        first, second = _span(one.claim), _span(other.claim)
        return first[0] <= second[1] and second[0] <= first[1]
    return squeeze(one.claim.quote) == squeeze(other.claim.quote)


def _span(claim: Claim) -> tuple[int, int]:
    return claim.line_start, max(claim.line_end or claim.line_start, claim.line_start)


def _merge(place: Sequence[_Seen], print_: str) -> Finding:
    best = min(place, key=_preference)
    spoken = sorted(place, key=lambda seen: seen.order)
    others = {seen.claim: None for seen in spoken if seen.claim != best.claim}
    return Finding(
        id=print_[:_ID_LENGTH],
        fingerprint=print_,
        claim=best.claim,
        sources=tuple(dict.fromkeys(seen.source for seen in spoken)),
        citation=best.citation,
        others=tuple(others),
    )


def _preference(seen: _Seen) -> tuple[bool, int, float, int]:
    claim = seen.claim
    return not is_supported(seen.citation), rank(claim.severity), -claim.confidence, seen.order


def _sort_key(finding: Finding) -> tuple[int, str, int, str]:
    claim = finding.claim
    return rank(claim.severity), claim.file, claim.line_start, finding.fingerprint
