"""What a flow stands on: files pinned byte for byte, and what agents are handed of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from flowrunner.evidence.changes import changed_lines
from flowrunner.evidence.git import GitFailure, diff
from flowrunner.evidence.languages import is_generated
from flowrunner.evidence.scope import Scope, ScopedFile
from flowrunner.evidence.tree import Refusal, Tree, decode, is_binary, pin_tree, read_bytes

from .batches import ALL, Batch, batch

MAX_FILES = 5000
"""Reviewers are handed at most so many files; the report names what is beyond."""
NAMES_CHARACTERS = 400_000
"""So much room have their names in a prompt: a project may have long ones, and many."""
DIFF_CHARACTERS = 100_000
EXAMPLES = 5

GENERATED = "generated, vendored or locked"
BINARY = "binary"
UNREADABLE = "cannot be read"
BEYOND = f"beyond the first {MAX_FILES} files"
CROWDED = f"beyond {NAMES_CHARACTERS} characters of file names"
GAPS = frozenset({UNREADABLE, BEYOND, CROWDED})
"""Reasons that leave the review with a hole, unlike files that nobody would review anyway."""

Spans = tuple[tuple[int, int], ...]

_SECTION = re.compile(r"^(?=diff --git )", re.MULTILINE)
_SIDE = re.compile(r"^(?:--- a|\+\+\+ b)/(.*?)\t?$", re.MULTILINE)


class LeftOut(BaseModel):
    """Files of the scope that no reviewer is handed, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str
    count: int
    examples: tuple[str, ...]


class Ground(BaseModel):
    """What the review stands on; *pins* map the files handed out to the sha256 of their bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Scope
    pins: dict[str, str]
    left_out: tuple[LeftOut, ...] = ()
    spans: dict[str, Spans] = {}
    diff: str = ""
    diff_cut: int = 0
    batches: tuple[Batch, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self.pins)

    @property
    def is_comparison(self) -> bool:
        return self.scope.base is not None

    @property
    def is_elsewhere(self) -> bool:
        """Return whether the head is not the commit whose files lie before the reviewers."""
        return self.scope.head is not None and self.scope.head != self.scope.commit

    @property
    def gaps(self) -> tuple[LeftOut, ...]:
        return tuple(each for each in self.left_out if each.reason in GAPS)

    def tree(self, root: Path, cited: Iterable[str] = ()) -> Tree:
        """Return the pinned tree; files *cited* from outside the scope are pinned as of now."""
        others = pin_tree(root, set(cited) - self.pins.keys())
        return Tree(root, {**others.files, **self.pins}, self.scope.commit, others.refused)


def pin(root: Path, found: Scope, *, is_batched: bool = False) -> Ground:
    """Sort out what is handed to agents, and pin it; *is_batched*: in parts that one can read."""
    handed, left_out = _sort_out(root, found.files)
    pins = pin_tree(root, handed).files
    text = _diff_of(root, found, {*pins, *(f.path for f in found.files if f.status == "deleted")})
    return Ground(
        scope=found,
        pins=dict(pins),
        left_out=left_out,
        spans=_spans(root, found, pins.keys()),
        diff=text[:DIFF_CHARACTERS],
        diff_cut=max(0, len(text) - DIFF_CHARACTERS),
        batches=tuple(batch(root, tuple(pins), whole=not is_batched)) or _bare(found),
    )


def _bare(found: Scope) -> tuple[Batch, ...]:
    """Return one batch without files, for a change that only deletes: its diff is to be read."""
    return (Batch(key=ALL, files=()),) if found.files else ()


def _sort_out(
    root: Path, files: Sequence[ScopedFile]
) -> tuple[tuple[str, ...], tuple[LeftOut, ...]]:
    """Return what is handed out, program text first, and what is not."""
    handed: list[str] = []
    left: dict[str, list[str]] = {}
    room = NAMES_CHARACTERS
    for file in sorted(files, key=lambda f: (not f.is_source, not f.is_test, f.path)):
        if file.status == "deleted":
            continue
        reason = _reason(root, file.path) or (BEYOND if len(handed) == MAX_FILES else None)
        if reason is None:
            room -= len(file.path)
            reason = CROWDED if room < 0 else None
        (handed if reason is None else left.setdefault(reason, [])).append(file.path)
    left_out = (
        LeftOut(reason=reason, count=len(paths), examples=tuple(paths[:EXAMPLES]))
        for reason, paths in sorted(left.items())
    )
    return tuple(handed), tuple(left_out)


def _reason(root: Path, path: str) -> str | None:
    if is_generated(path):
        return GENERATED
    content = read_bytes(root, path)
    if isinstance(content, Refusal):
        return UNREADABLE
    return BINARY if is_binary(content) else None


def _spans(root: Path, scope: Scope, handed: Iterable[str]) -> dict[str, Spans]:
    if scope.base is None:
        return {}
    changed = changed_lines(root, scope.base, scope.head)
    if isinstance(changed, GitFailure):
        return {}
    return {path: changed[path] for path in handed if path in changed}


def _diff_of(root: Path, scope: Scope, wanted: Iterable[str]) -> str:
    """Return the difference of the *wanted* files only: the rest is noise or not asked for."""
    if scope.base is None:
        return ""
    output = diff(root, scope.base, scope.head, "-U3")
    if isinstance(output, GitFailure):
        return ""
    paths = frozenset(wanted)
    return "".join(s for s in _SECTION.split(decode(output)) if not paths.isdisjoint(_sides(s)))


def _sides(section: str) -> Iterator[str]:
    yield from (found[1] for found in _SIDE.finditer(section.partition("\n@@")[0]))
