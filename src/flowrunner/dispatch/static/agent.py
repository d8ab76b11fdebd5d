"""From a scope to an answer: every finding has a quote that the citation check calls exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from flowrunner.dispatch.static import lenses
from flowrunner.dispatch.static.claims import to_claim
from flowrunner.dispatch.static.clock import Clock
from flowrunner.dispatch.static.doubts import believed
from flowrunner.dispatch.static.lenses import Lens
from flowrunner.dispatch.static.linter import SYNTAX_ERROR, StaticAgentError, run_ruff
from flowrunner.dispatch.static.sources import Hit, Project, Source, is_python, load
from flowrunner.dispatch.static.summary import Told, summarise
from flowrunner.evidence.citations import locate
from flowrunner.evidence.listing import list_files
from flowrunner.evidence.severity import rank
from flowrunner.evidence.tree import Refusal, Tree, pin_tree, printable, read_lines
from flowrunner.wire.findings import Answer, Citation, Claim, Severity

MAX_FINDINGS = 400
MAX_REVIEWED, MAX_PATH = 10_000, 1024
"""What the wire can carry; the summary counts all."""


@dataclass(frozen=True, slots=True)
class Request:
    """*files* are relative paths, None for all of the project; *seconds* of wall time.

    *per_rule* caps the findings of one rule, and half of it those of a rule that only notes.
    """

    root: Path
    persona: str | None = None
    files: tuple[str, ...] | None = None
    per_rule: int = 20
    seconds: float = 120.0


@dataclass(slots=True)
class _Work:
    """What came together so far; *unchecked* names files with the reason."""

    hits: list[tuple[Source, Hit]] = field(default_factory=list[tuple[Source, Hit]])
    unchecked: dict[str, str] = field(default_factory=dict[str, str])
    withheld: int = 0


def review(request: Request) -> Answer:
    """Look through the persona's lens; the same bytes give the same answer.

    Raises StaticAgentError where an answer would look cleaner than it is.
    """
    clock = Clock(request.seconds)
    lens = lenses.lens_of(request.persona)
    listing = list_files(request.root)
    tree = pin_tree(request.root, listing.paths if request.files is None else request.files)
    sources, refused = load(tree)
    work = _Work(unchecked={printable(path): str(why) for path, why in refused.items()})
    _look(request.root, sources, lens, clock, work)
    _lint(request.root, sources, lens, clock, work)
    claims = _still_true(tree, list(_claims(work)), work)
    kept, cut = _capped(claims, request.per_rule)
    concerned = [s.path for s in sources if _concerns(lens, s)]
    reviewed = [path for path in concerned if path not in work.unchecked]
    told = Told(lens, request.persona, work.unchecked, cut, work.withheld)
    return Answer(
        findings=tuple(kept),
        summary=summarise(told, sources, listing.problem),
        reviewed_files=tuple(path for path in reviewed if len(path) <= MAX_PATH)[:MAX_REVIEWED],
        model_asked=False,
        truncated=told.is_partial or len(reviewed) > MAX_REVIEWED,
    )


def _concerns(lens: Lens, source: Source) -> bool:
    linted = bool(lens.rules) and is_python(source)
    return linted or any(check.applies(source) for check in lens.checks)


def _look(root: Path, sources: Sequence[Source], lens: Lens, clock: Clock, work: _Work) -> None:
    project = Project(root)
    for source in sources:
        if clock.is_over():
            work.unchecked[source.path] = "out of time"
            continue
        for check in lens.checks:
            if check.applies(source):
                work.hits += [(source, hit) for hit in check.find(source, project)]


def _lint(root: Path, sources: Sequence[Source], lens: Lens, clock: Clock, work: _Work) -> None:
    paths = {s.path: s for s in sources if is_python(s) and s.path not in work.unchecked}
    rules = {rule.code: rule for rule in lens.rules}
    if not paths or not rules:
        return
    # Syntax errors are told whatever is selected, but something must be.
    codes = [code for code in sorted(rules) if code != SYNTAX_ERROR] or ["F404"]
    answer = run_ruff(root, list(paths), codes, clock)
    if answer.failed and len(answer.failed) == len(paths):
        raise StaticAgentError(f"ruff judged no file: {next(iter(answer.failed.values()))}")
    work.unchecked |= answer.failed
    for found in believed(answer.diagnostics, paths, Project(root)):
        if rule := rules.get(found.code):
            hit = Hit(rule, found.row, found.message, found.end_row, found.fix)
            work.hits.append((paths[found.path], hit))


def _claims(work: _Work) -> Iterator[Claim]:
    for source, hit in work.hits:
        if source.is_test and not hit.rule.in_tests:
            continue
        claim = to_claim(source, hit)
        if claim is None:
            work.withheld += 1
        else:
            yield claim


def _still_true(tree: Tree, claims: Sequence[Claim], work: _Work) -> list[Claim]:
    """Judge our own citations; what changed meanwhile is named, anything else is our bug."""
    lines_of = cache(partial(read_lines, tree))
    kept: list[Claim] = []
    for claim in claims:
        lines = lines_of(claim.file)
        citation = locate(claim, tree, lines_of).citation
        if isinstance(lines, Refusal):
            work.unchecked[claim.file] = str(lines)
        elif citation is Citation.EXACT:
            kept.append(claim)
        else:
            place = f"{claim.file}:{claim.line_start}"
            raise StaticAgentError(f"our own citation {place} ({claim.rule}) is {citation}")
    return kept


def _capped(claims: Sequence[Claim], per_rule: int) -> tuple[list[Claim], Counter[str]]:
    """Keep the first of each rule, the worst first; return also how many were cut, by rule."""
    ordered = sorted(set(claims), key=_sort_key)
    kept: list[Claim] = []
    seen: Counter[str] = Counter()
    for claim in ordered:
        seen[claim.rule] += 1
        most = (per_rule + 1) // 2 if claim.severity is Severity.NOTE else per_rule
        if seen[claim.rule] <= most and len(kept) < MAX_FINDINGS:
            kept.append(claim)
    cut = seen - Counter(claim.rule for claim in kept)
    return kept, cut


def _sort_key(claim: Claim) -> tuple[int, str, int, str, str]:
    return rank(claim.severity), claim.file, claim.line_start, claim.rule, claim.title
