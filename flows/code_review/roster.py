"""Who reviews: one line per reviewer, with the bands and the signs that call for it.

| | small | medium | large | when |
|---|---|---|---|---|
| newcomer, security | yes | yes | yes | always |
| behaviour | yes | yes | yes | program text or tests changed |
| tests, edge cases | | yes | yes | program text changed |
| structure | | yes | yes | more than three files, or a new module |
| concurrency, data, operations | yes | yes | yes | the files show such signs |
| on-call, docs | | | yes | always |

From band medium on, security, behaviour, tests, edge cases, concurrency and data are asked in
batches of files, each by an agent of its own, as long as the files do not fit into one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowrunner import Context
from flowrunner.evidence.scope import SMALL_FILES
from flowrunner.evidence.signals import SignalKind

from .._shared.batches import Batch
from .._shared.ground import Ground

FROM_SMALL = ("small", "medium", "large")
FROM_MEDIUM = ("medium", "large")
ONLY_LARGE = ("large",)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """*lens* says in a sentence what this review is for; the persona says how to do it.

    *is_local*: it can be done file by file, so that from band medium on it is asked in batches;
    whoever has to see the whole is asked once.
    """

    key: str
    persona: str
    bands: tuple[str, ...]
    called_by: Callable[[Ground], bool]
    lens: str
    is_local: bool = False

    def is_called(self, ctx: Context) -> bool:
        """Return whether there is something to review, and for this reviewer."""
        ground = ctx.result("scope", Ground)
        return ground is not None and bool(ground.scope.files) and self.called_by(ground)

    def members(self, ctx: Context) -> Sequence[dict[str, object]]:
        """Return the batches of files that it is asked about, each on its own."""
        ground = ctx.result("scope", Ground)
        return [each.model_dump(mode="json") for each in ground.batches] if ground else []


def batch_key(member: dict[str, object]) -> str:
    return Batch.model_validate(member).key


def always(_ground: Ground) -> bool:
    return True


def code_changed(ground: Ground) -> bool:
    return any(file.is_source or file.is_test for file in ground.scope.files)


def source_changed(ground: Ground) -> bool:
    return any(file.is_source for file in ground.scope.files)


def is_broad(ground: Ground) -> bool:
    return len(ground.scope.files) > SMALL_FILES or ground.scope.has(SignalKind.NEW_MODULE)


def signs_of(kind: SignalKind) -> Callable[[Ground], bool]:
    def shows(ground: Ground) -> bool:
        return ground.scope.has(kind)

    return shows


REVIEWERS = (
    Reviewer(
        "newcomer", "newcomer", FROM_SMALL, always,
        "Read as someone who must work with this tomorrow: what misleads, what is unexplained.",
    ),
    Reviewer(
        "security", "security-adversary", FROM_SMALL, always,
        "Look for a way in: what an attacker who controls an input can reach.",
        is_local=True,
    ),
    Reviewer(
        "behaviour", "behavioural-analyst", FROM_SMALL, code_changed,
        "Look for what the code does wrong: logic, contracts, error paths.",
        is_local=True,
    ),
    Reviewer(
        "tests", "test-engineer", FROM_MEDIUM, source_changed,
        "Look for behaviour that could break without any test noticing.",
        is_local=True,
    ),
    Reviewer(
        "edge-cases", "edge-case-explorer", FROM_MEDIUM, source_changed,
        "Look for inputs and states that the authors did not have in mind.",
        is_local=True,
    ),
    Reviewer(
        "structure", "structural-analyst", FROM_MEDIUM, is_broad,
        "Look for shape that will make the next change harder than it must be.",
    ),
    Reviewer(
        "concurrency", "concurrency-analyst", FROM_SMALL, signs_of(SignalKind.CONCURRENCY),
        "Look for orders of events that break it: races, deadlocks, lost cancellations.",
        is_local=True,
    ),
    Reviewer(
        "data", "data-engineer", FROM_SMALL, signs_of(SignalKind.STORAGE),
        "Look for stored data that can be lost, corrupted, locked up or made slow.",
        is_local=True,
    ),
    Reviewer(
        "operations", "operations-engineer", FROM_SMALL, signs_of(SignalKind.OPERATIONS),
        "Look for what breaks when this is built, configured, deployed or rolled back.",
    ),
    Reviewer(
        "on-call", "on-call-engineer", ONLY_LARGE, always,
        "Look for failures that would wake somebody who then could not tell why.",
    ),
    Reviewer(
        "docs-impact", "documentation-auditor", ONLY_LARGE, always,
        "Look for documentation that this makes false, and for what it fails to tell.",
    ),
)  # fmt: skip

KEYS = tuple(reviewer.key for reviewer in REVIEWERS)
