"""What became different in a tree between two instants, and what may honestly be said of it."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flowrunner.dispatch.gates.digest import GIT_PROBLEM, Entry, TreeState
from flowrunner.dispatch.gates.gate import Gate, Right
from flowrunner.evidence.git import diff
from flowrunner.evidence.tree import decode, printable

Kind: TypeAlias = Literal["created", "removed", "content", "metadata"]
CODE = "read_only_violated"
MOST_TOLD = 20
MOST_DIFF_CHARACTERS = 8000


@dataclass(frozen=True, slots=True, order=True)
class Change:
    path: str
    kind: Kind
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {printable(self.path)}{f' ({self.detail})' if self.detail else ''}"


def compare(before: TreeState, after: TreeState) -> tuple[Change, ...]:
    """Return every difference, sorted by path; none means that the tree was not written."""
    return tuple(sorted({*_of_entries(before, after), *_of_git(before, after)}))


def explain(before: TreeState, after: TreeState, changes: Sequence[Change], gate: Gate) -> str:
    """Say what changed and who may have done it, with a diff where git can give one."""
    listed = [f"  {change}" for change in changes[:MOST_TOLD]]
    if len(changes) > MOST_TOLD:
        listed.append(f"  [flowrunner: {len(changes) - MOST_TOLD} more changes]")
    head = f"the project changed while the agent ran: {len(changes)} changes"
    unread = max(before.unread_count, after.unread_count)
    beside = f"Of {unread} more files only the metadata were compared." if unread else ""
    parts = [head, *listed, _who(changes, gate), beside, _shown(before, after, changes)]
    return "\n".join(part for part in parts if part)


def _of_entries(before: TreeState, after: TreeState) -> Iterator[Change]:
    for path in before.entries.keys() - after.entries.keys():
        yield Change(path, "removed")
    for path, now in after.entries.items():
        was = before.entries.get(path)
        if was is None:
            yield Change(path, "created", _described(now))
        elif was.differs(now):
            yield Change(path, *_difference(was, now))


def _difference(was: Entry, now: Entry) -> tuple[Kind, str]:
    if stat.S_IFMT(was.mode) != stat.S_IFMT(now.mode):
        return "content", f"{_described(was)} became {_described(now)}"
    if was.content and now.content and was.content != now.content:
        return "content", f"{was.size} bytes, now {now.size}"
    names = {
        "mode": was.mode != now.mode,
        "owner": was.owner != now.owner,
        "links": was.inode[2] != now.inode[2],
        "replaced": was.inode[:2] != now.inode[:2],
        "size": was.size != now.size,
        "modification time": was.modified_ns != now.modified_ns,
    }
    told = ", ".join(name for name, differs in names.items() if differs) or "change time"
    if stat.S_ISDIR(now.mode):
        return "metadata", told
    # Without the content of before, a new size or time of a file may be a new content.
    is_touched = bool(was.content) and was.content == now.content
    may_differ = was.size != now.size or was.modified_ns != now.modified_ns
    return ("content" if may_differ and not is_touched else "metadata"), told


def _of_git(before: TreeState, after: TreeState) -> Iterator[Change]:
    if before.problems != after.problems:
        told = "; ".join(after.problems or before.problems)
        yield Change(".", "content", f"it could not be looked at as before: {told}")
    if any(told.startswith(GIT_PROBLEM) for told in (*before.problems, *after.problems)):
        return  # What git could not say once cannot be compared; the metadata are.
    if before.head != after.head:
        yield Change("HEAD", "content", f"{before.head or 'none'} became {after.head or 'none'}")
    if before.index != after.index:
        yield Change("the index", "content", "what is staged differs")
    if before.status != after.status:
        yield Change("git status", "content", "it lists other files, or in another state")


def _described(entry: Entry) -> str:
    match stat.S_IFMT(entry.mode):
        case stat.S_IFDIR:
            return "a folder"
        case stat.S_IFLNK:
            return f"a link {entry.content}"
        case stat.S_IFREG:
            return f"a file of {entry.size} bytes"
        case _:
            return "neither a file nor a folder"


def left_open(changes: Sequence[Change], gate: Gate) -> list[Right]:
    """Return what of *changes* the agent could have done behind *gate*; empty: none of them."""
    needed = {Right.METADATA if change.kind == "metadata" else Right.CONTENT for change in changes}
    return sorted(needed - gate.rights)


def _who(changes: Sequence[Change], gate: Gate) -> str:
    open_doors = left_open(changes, gate)
    if not open_doors:
        return (
            f"The gate {gate.name} was proved to forbid this to the agent, so somebody else has"
            " probably changed it meanwhile. What was read may be a mixture of before and after."
        )
    return (
        f"The gate {gate.name} does not cover {', '.join(open_doors)}: it was the agent, or"
        " somebody else who works in this folder; we cannot tell."
    )


def _shown(before: TreeState, after: TreeState, changes: Sequence[Change]) -> str:
    """A textual diff, where the earlier text is a commit's."""
    if before.status or not before.head or all(change.kind == "metadata" for change in changes):
        return ""
    found = diff(after.root, before.head, None)
    if not isinstance(found, bytes) or not found:
        return ""
    text = decode(found)
    if len(text) <= MOST_DIFF_CHARACTERS:
        return text
    more = len(text) - MOST_DIFF_CHARACTERS
    return f"{text[:MOST_DIFF_CHARACTERS]}\n[flowrunner: cut, {more} more characters]"
