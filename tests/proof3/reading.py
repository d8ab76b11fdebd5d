"""What a report says of each citation, held against what was invented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proof3.liar import Said, ruling
from proof3.source import Source, squeezed

SUPPORTED = frozenset({"exact", "moved"})


@dataclass(slots=True)
class Tally:
    """Counted over all runs of a test, to be printed."""

    runs: int = 0
    claims: Counter[str] = field(default_factory=Counter[str])
    flags: Counter[str] = field(default_factory=Counter[str])
    kinds: Counter[str] = field(default_factory=Counter[str])
    verdicts: Counter[str] = field(default_factory=Counter[str])

    def __str__(self) -> str:
        told = [f"{self.runs} runs", *(f"{n} {name}" for name, n in self.claims.items())]
        flags = ", ".join(f"{name} {n}" for name, n in sorted(self.flags.items()))
        rulings = ", ".join(f"{name} {n}" for name, n in sorted(self.verdicts.items()))
        return f"{', '.join(told)}; flags: {flags}; {len(self.kinds)} kinds; rulings: {rulings}"


def complaints(
    report: Mapping[str, Any], said: Sequence[Said], source: Source, tally: Tally
) -> Iterator[str]:
    """Yield where the report flags what is true, or believes what is invented."""
    by_title = {each.claim["title"]: each for each in said}
    heard: Counter[str] = Counter()
    for finding in report["findings"]:
        told = [finding["claim"], *finding["others"]]
        for claim in told:
            heard[claim["title"]] += 1
            each = by_title[claim["title"]]
            yield from _misjudged(each, finding["citation"], tally)
        if finding["citation"] in SUPPORTED:
            yield from _misplaced(finding["claim"], source)
    yield from (f"{title} is in the report {heard[title]} times" for title in by_title
                if heard[title] != 1)  # fmt: skip
    tally.runs += 1


def _misjudged(said: Said, citation: str, tally: Tally) -> Iterator[str]:
    tally.claims["invented" if said.is_invented else "true"] += 1
    tally.flags[citation] += 1
    tally.kinds[said.kind] += 1
    if citation not in said.cited.expected.split(" or "):
        yield f"{said.kind} is {citation}, not {said.cited.expected}: {dict(said.claim)}"
    if said.is_invented is (citation in SUPPORTED):
        yield f"{said.kind}: invented {said.is_invented}, and yet {citation}"


def _misplaced(claim: Mapping[str, Any], source: Source) -> Iterator[str]:
    """A place that the report names holds the quotation's first and last words."""
    first, last = claim["line_start"], claim["line_end"] or claim["line_start"]
    lines = [each for line in claim["quote"].splitlines() if (each := squeezed(line))]
    within = source.lines(claim["file"])[first - 1 : max(last, first + 2 * len(lines) - 1)]
    text = squeezed("\n".join(within))
    if squeezed(claim["quote"]) not in text:
        yield f"{claim['file']}:{first}-{last} does not hold {claim['quote']!r}"


def untold(report: Mapping[str, Any], page: str) -> Iterator[str]:
    """Yield where verdict, reasons, header or page do not say what the findings do."""
    findings = report["findings"]
    flagged = [each for each in findings if each["citation"] not in SUPPORTED]
    reason = f"findings whose quotation is not in the files: {len(flagged)} of {len(findings)}"
    if flagged and reason not in report["reasons"]:
        yield f"no reason is {reason!r}: {report['reasons']}"
    header = report["header"]
    if header["quotations"] != dict(Counter(each["citation"] for each in findings)):
        yield f"the header counts {header['quotations']}"
    if header["degraded"] or header["census"]["failed"] or header["census"]["failed_parts"]:
        yield f"somebody failed: {header['census']}"
    if report["verdict"] != ("block" if any(map(_blocks, findings)) else "comment"):
        yield f"the verdict is {report['verdict']}"
    shown = [each for each in findings if each["id"] in report["shown"]]
    yield from (problem for each in shown for problem in _untold_on(page, each))


def _blocks(finding: Mapping[str, Any]) -> bool:
    severity, verdict = finding["claim"]["severity"], finding["verdict"]
    stands = (severity, verdict) in {
        ("critical", "unverified"), ("critical", "confirmed"), ("major", "confirmed"),
    }  # fmt: skip
    return stands and finding["citation"] in SUPPORTED


def _untold_on(page: str, finding: Mapping[str, Any]) -> Iterator[str]:
    title, word = finding["claim"]["title"], finding["citation"].replace("_", " ")
    (row,) = [line for line in page.splitlines() if line.startswith("|") and f" {title} |" in line]
    (head,) = [line for line in page.splitlines() if line.startswith("###") and title in line]
    section = page.partition(f"{head}\n")[2].partition("\n### ")[0]
    is_flagged = finding["citation"] not in SUPPORTED
    if is_flagged is not (f"({word})" in row):
        yield f"{word}: the row is {row}"
    if is_flagged is not (f"**quotation not found ({word})**" in section):
        yield f"{word}: the section is {section}"
    if (word == "moved") is not ("cited elsewhere, found here" in section):
        yield f"{word}: the section is {section}"


def misruled(seed: int, report: Mapping[str, Any], source: Source, tally: Tally) -> Iterator[str]:
    """Yield what a verifier's evidence did, or did not do, against the rules."""
    asked = _asked(report)
    if report["verification"]["asked"] != len(asked):
        yield f"{report['verification']} and not {len(asked)}"
    for finding in report["findings"]:
        expected = (
            ruling(seed, finding["id"], source)[0] if finding["id"] in asked else "unverified"
        )
        if finding["verdict"] != expected:
            yield f"{finding['verdict']}, not {expected}: {ruling(seed, finding['id'], source)}"
        if finding["id"] in asked:
            tally.verdicts[expected] += 1


def _asked(report: Mapping[str, Any]) -> frozenset[str]:
    """Return what is given to verifiers: nothing that was flagged, and by band."""
    band = report["header"]["band"]
    known = ("critical", "major", "minor", "note")
    grave = {"small": known[:3], "medium": known[:2], "large": known}[band]
    given = [
        each
        for each in report["findings"]
        if each["citation"] in SUPPORTED and each["claim"]["severity"] in grave
    ]
    # Of two hundred verifiers critical findings get two each, in the deepest band.
    doubled = [
        each for each in given if band == "large" and each["claim"]["severity"] == "critical"
    ]
    most = 40 if band == "small" else 200 - len(doubled)
    return frozenset(each["id"] for each in given[:most])
