"""One verifier per case: what they are asked, and what their rulings do to the findings.

A verifier that gives no answer refutes nothing and confirms nothing: its findings stay in the list,
unverified, and say so (P9, F-03).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from flowrunner import Context
from flowrunner.definitions.prompts import fence
from flowrunner.evidence.citations import relative_name
from flowrunner.evidence.rulings import apply_rulings
from flowrunner.evidence.tree import Tree
from flowrunner.wire.findings import Finding, Ruling, Rulings, Verdict

from .ground import Ground
from .parts import Part, parts_of
from .wording import READ_ONLY, material, scope_block

ALL = "all"
BATCH_CASES = 40
"""As many findings one verifier can look into when it is asked about all at once."""

TASK = """\
Others say these things about the project in your working directory. Try to refute each of them."""

METHOD = """\
1. For each claim read the place, what surrounds it, its callers and what it calls.
2. `refuted` and `partially_refuted` need `counter`: the exact text of one to five lines of a file \
that make the claim impossible, or narrower. A program compares it with the file; without it your \
ruling counts as none.
3. `confirmed` means that you followed a concrete run to the stated result.
4. `unverified` is a good answer if you cannot decide."""

ANSWER = """\
Your answer is one JSON object with one ruling per claim, for example:

```json
{
  "summary": "a few sentences: what you looked at, what you could not judge",
  "rulings": [
    {
      "finding": "the claim's id",
      "verdict": "confirmed | partially_refuted | refuted | unverified",
      "reason": "one to four sentences that name the decisive line",
      "counter": {"file": "src/x.py", "line_start": 10, "line_end": 11, "quote": "exact text"}
    }
  ]
}
```"""


class Case(BaseModel):
    """What one verifier is asked; *key* is the fingerprint of a single finding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    findings: tuple[str, ...]


class Checked(BaseModel):
    """*unruled* says per finding that a verifier was asked about why there is no ruling."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: tuple[Finding, ...]
    asked: int = 0
    ruled: int = 0
    unruled: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    beyond: int = 0


def one_case(findings: Sequence[Finding]) -> Iterator[Case]:
    """Yield a single case of the first findings."""
    if findings:
        yield Case(key=ALL, findings=tuple(f.id for f in findings[:BATCH_CASES]))


def single_cases(findings: Iterable[Finding], doubled: Iterable[str] = ()) -> Iterator[Case]:
    """Yield a case per finding, and a second one for the *doubled* ids."""
    twice = frozenset(doubled)
    for finding in findings:
        yield Case(key=finding.fingerprint, findings=(finding.id,))
        if finding.id in twice:
            yield Case(key=f"{finding.fingerprint}-second", findings=(finding.id,))


def verifier_prompt(ctx: Context, findings: Sequence[Finding], task: str = TASK) -> str:
    """Return what the verifier of `ctx.item` is asked; *findings* are all that there are."""
    case = Case.model_validate(ctx.item)
    wanted = [finding for finding in findings if finding.id in case.findings]
    files = tuple(dict.fromkeys(finding.claim.file for finding in wanted))
    ids = [finding.id for finding in wanted]
    claims = json.dumps([_claim(each) for each in wanted], ensure_ascii=False, indent=1)
    return "\n\n".join(
        [
            f"# Your task\n\n{task}\n\n{READ_ONLY}",
            scope_block(files, ctx.nonce, answer="rulings", claims=list(ids)),
            material(ctx.nonce),
            f"## The claims\n\n{fence(claims, ctx.nonce, 'claims', cap=len(claims))}",
            f"## How to work\n\n{METHOD}",
            f"## Your answer\n\n{ANSWER}",
        ]
    )


def check(
    ctx: Context, step: str, cases: Sequence[Case], findings: Sequence[Finding], ground: Ground
) -> Checked:
    """Apply what the verifiers of *step* said; whoever said nothing is named per finding.

    Counter evidence may lie anywhere in the project: what it cites is pinned as of now.
    """
    parts = {part.key: part for part in parts_of(ctx, step, Rulings)}
    rulings: list[tuple[str, Ruling]] = []
    unruled: dict[str, list[str]] = {}
    for case in cases:
        given = _given(parts.get(case.key), case)
        rulings += [(f"{step}[{case.key}]", ruling) for ruling in given.values()]
        for missing in set(case.findings) - given.keys():
            unruled.setdefault(missing, []).append(_silence(parts.get(case.key)))
    ruled = apply_rulings(findings, rulings, _tree(ctx, findings, rulings, ground))
    heard = {ruling.finding for _, ruling in rulings}
    asked = {name for case in cases for name in case.findings}
    return Checked(
        findings=ruled.findings,
        asked=len(asked),
        ruled=len(heard),
        unruled={name: "; ".join(dict.fromkeys(whys)) for name, whys in sorted(unruled.items())},
        notes=ruled.notes,
    )


def _tree(
    ctx: Context,
    findings: Sequence[Finding],
    rulings: Sequence[tuple[str, Ruling]],
    ground: Ground,
) -> Tree:
    bare = Tree(ctx.project.root, {})
    cited = [finding.claim.file for finding in findings]
    cited += [ruling.counter.file for _, ruling in rulings if ruling.counter is not None]
    names = {name for file in cited if (name := relative_name(bare, file)) is not None}
    return ground.tree(ctx.project.root, names)


def _given(part: Part[Rulings] | None, case: Case) -> Mapping[str, Ruling]:
    """Return the rulings on this case; without a model none has tried to refute anything."""
    if part is None or part.output is None or not part.output.model_asked:
        return {}
    return {
        ruling.finding: ruling for ruling in part.output.rulings if ruling.finding in case.findings
    }


def _silence(part: Part[Rulings] | None) -> str:
    if part is None:
        return "its verifier was not called"
    if part.output is None:
        return f"its verifier gave no answer: {part.message}"
    return "its verifier did not rule on it" if part.output.model_asked else "no model was asked"


def _claim(finding: Finding) -> dict[str, object]:
    claim = finding.claim
    kept = claim.model_dump(
        mode="json", include={"severity", "category", "title", "claim", "reach"}
    )
    place = {"file": claim.file, "line_start": claim.line_start, "quote": claim.quote}
    return {"finding": finding.id, **kept, **place}


def undecided(findings: Iterable[Finding]) -> int:
    """Count the findings on which nobody has ruled either way."""
    return sum(finding.verdict is Verdict.UNVERIFIED for finding in findings)
