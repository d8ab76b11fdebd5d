"""What a review is about: the files, how much changed in them, and which specialists they call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flowrunner.core.errors import InvalidInputError, Problem
from flowrunner.evidence import languages, signals
from flowrunner.evidence.changes import Change, Status, changed_files
from flowrunner.evidence.git import (
    GitFailure,
    GitReason,
    diff,
    head_commit,
    merge_base,
    resolve_commit,
    untracked_files,
)
from flowrunner.evidence.listing import list_files
from flowrunner.evidence.signals import PLACES_SHOWN, Place, Signal, SignalKind
from flowrunner.evidence.tree import Refusal, confine, decode, printable, read_bytes, split_lines

SMALL_FILES, MEDIUM_FILES = 3, 10
TINY_LINES = 20


class ScopedFile(BaseModel):
    """One file under review; line counts are None where git sees a binary file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    status: Status
    added: int | None = 0
    deleted: int | None = 0
    old_path: str | None = None
    language: str
    is_source: bool
    is_test: bool
    is_docs: bool


class Scope(BaseModel):
    """The answer of the first step; *notes* says what a reader must know before trusting it.

    *nameless* counts files whose names cannot be written down: nobody can be handed them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[ScopedFile, ...]
    signals: tuple[Signal, ...]
    base: str | None = None
    head: str | None = None
    commit: str | None = None
    notes: tuple[str, ...] = ()
    nameless: int = 0

    @property
    def lines_changed(self) -> int:
        return sum((f.added or 0) + (f.deleted or 0) for f in self.files)

    @property
    def readable(self) -> tuple[str, ...]:
        """The paths that still exist and can be handed to a reviewer."""
        return tuple(f.path for f in self.files if f.status != "deleted")

    @property
    def is_tiny(self) -> bool:
        compared = self.base is not None
        return compared and len(self.files) <= SMALL_FILES and self.lines_changed <= TINY_LINES

    def has(self, kind: SignalKind) -> bool:
        return any(signal.kind is kind for signal in self.signals)


def build_scope(
    root: Path, *, base: str | None = None, head: str | None = None, paths: Sequence[str] = ()
) -> Scope:
    """Compare *base* with *head* (or the working tree), or take *paths*, or everything.

    A comparison starts where *head* left *base*. Raises InvalidInputError with every problem.
    """
    inside = _inside(root, paths)
    if head is not None and base is None:
        problem = Problem("missing-base", "a head without a base compares nothing", pointer="/base")
        raise InvalidInputError("the scope cannot be determined", [problem])
    if base is None:
        listing = list_files(root)
        kept = [_unchanged(path) for path in listing.paths if inside(path) and _exists(root, path)]
        return _finish(root, kept, [listing.problem] if listing.problem else [], (None, None))
    old, new = _ends(root, base, head)
    changes = changed_files(root, old, new)
    if isinstance(changes, GitFailure):
        raise _refused([_problem(changes, "/base")])
    fresh = _untracked(root) if new is None else ()
    kept = [change for change in (*changes, *fresh) if inside(change.path)]
    return _finish(root, kept, _notes(root, new), (old, new))


def band_of(scope: Scope) -> Literal["small", "medium", "large"]:
    """Return how deep a review of this many files should go."""
    count = len(scope.files)
    return "small" if count <= SMALL_FILES else "medium" if count <= MEDIUM_FILES else "large"


def _inside(root: Path, paths: Sequence[str]) -> Callable[[str], bool]:
    problems: list[Problem] = []
    wanted: list[str] = []
    for number, path in enumerate(paths):
        place = confine(root, path)
        if isinstance(place, Refusal) and place is not Refusal.NOT_A_FILE:
            problems.append(_bad_path(number, path, place))
        elif not os.path.lexists(root / path):
            problems.append(_bad_path(number, path, Refusal.MISSING))
        else:
            wanted.append(os.path.normpath(path))
    if problems:
        raise _refused(problems)
    if not wanted or "." in wanted:
        return lambda _path: True
    return lambda path: any(path == each or path.startswith(f"{each}/") for each in wanted)


def _bad_path(number: int, path: str, why: Refusal) -> Problem:
    hint = "give paths relative to the project, inside it"
    message = f"{printable(path)!r} cannot be reviewed: {why}"
    return Problem("bad-path", message, pointer=f"/paths/{number}", hint=hint)


def _refused(problems: Sequence[Problem]) -> InvalidInputError:
    return InvalidInputError("the scope cannot be determined", problems)


def _problem(failure: GitFailure, pointer: str) -> Problem:
    hints = {
        GitReason.NOT_A_REPOSITORY: "give paths instead of a base, or make it a git repository",
        GitReason.UNKNOWN_REVISION: "give a branch, a tag or a commit that this clone has",
    }
    code = failure.reason.replace("_", "-")
    return Problem(code, failure.message, pointer=pointer, hint=hints.get(failure.reason))


def _ends(root: Path, base: str, head: str | None) -> tuple[str, str | None]:
    found = {"/base": resolve_commit(root, base), "/head": resolve_commit(root, head or "HEAD")}
    problems = [_problem(end, at) for at, end in found.items() if isinstance(end, GitFailure)]
    if problems:
        raise _refused(problems[: None if head else 1])
    old, new = str(found["/base"]), str(found["/head"])
    common = merge_base(root, old, new)
    return (old if isinstance(common, GitFailure) else common), (new if head else None)


def _untracked(root: Path) -> tuple[Change, ...]:
    found = untracked_files(root)
    if isinstance(found, GitFailure):
        raise _refused([_problem(found, "/base")])
    return tuple(Change(path, "added", _length(root, path), 0) for path in found)


def _length(root: Path, path: str) -> int | None:
    content = read_bytes(root, path)
    return None if isinstance(content, Refusal) else len(split_lines(decode(content)))


def _notes(root: Path, head: str | None) -> list[str]:
    if head is None:
        return []
    notes: list[str] = []
    if head_commit(root) != head:
        notes.append(f"{head[:12]} is not checked out: reviewers read the files as they are now")
    elif diff(root, head, None, "--name-only", "-z"):
        notes.append("the working tree differs from the head: reviewers read the working tree")
    return notes


def _unchanged(path: str) -> Change:
    return Change(path, "unchanged", 0, 0)


def _exists(root: Path, path: str) -> bool:
    return os.path.lexists(root / path)


def _finish(
    root: Path, changes: Iterable[Change], notes: list[str], ends: tuple[str | None, str | None]
) -> Scope:
    known = sorted(set(changes), key=lambda change: change.path)
    named = [change for change in known if change.path == printable(change.path)]
    commit = head_commit(root)
    return Scope(
        files=tuple(_scoped(change) for change in named),
        signals=tuple(_signals(root, named)),
        base=ends[0],
        head=ends[1],
        commit=None if isinstance(commit, GitFailure) else commit,
        notes=tuple(notes),
        nameless=len(known) - len(named),
    )


def _scoped(change: Change) -> ScopedFile:
    return ScopedFile(
        path=change.path,
        status=change.status,
        added=change.added,
        deleted=change.deleted,
        old_path=None if change.old_path is None else printable(change.old_path),
        language=languages.language_of(change.path),
        is_source=languages.is_source(change.path),
        is_test=languages.is_test(change.path),
        is_docs=languages.is_docs(change.path),
    )


def _signals(root: Path, changes: Sequence[Change]) -> Iterator[Signal]:
    found: dict[SignalKind, dict[str, Place]] = {}
    for change in changes:
        for kind, line, sign in _signs(root, change):
            place = Place(file=change.path, line=line, sign=sign)
            found.setdefault(kind, {}).setdefault(change.path, place)
    for kind in SignalKind:
        if places := tuple(found.get(kind, {}).values()):
            yield Signal(kind=kind, count=len(places), places=places[:PLACES_SHOWN])


def _signs(root: Path, change: Change) -> Iterator[tuple[SignalKind, int, str]]:
    if change.status == "added" and languages.is_source(change.path):
        yield SignalKind.NEW_MODULE, 0, "new source file"
    yield from ((kind, 0, sign) for kind, sign in signals.signs_in_name(change.path))
    if change.status != "deleted" and languages.is_source(change.path):
        content = read_bytes(root, change.path)
        if not isinstance(content, Refusal):
            yield from signals.signs_in_text(change.path, split_lines(decode(content)))
