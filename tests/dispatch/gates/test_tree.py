"""A project before and after: what differs is found, named, and blamed on nobody in particular."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.gates import stage
from flowrunner.dispatch.gates import digest
from flowrunner.dispatch.gates.changes import Change, compare, explain
from flowrunner.dispatch.gates.digest import TreeState, take
from flowrunner.dispatch.gates.gate import OPEN


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return stage.a_project(tmp_path)


def set_back(file: Path, text: str) -> None:
    """Write and pretend not to have: the size and the modification time are as before."""
    before = file.stat()
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, tuple[Callable[[Path], object], Change]] = {
    "content": (
        lambda root: (root / "untracked.txt").write_text("other", encoding="utf-8"),
        Change("untracked.txt", "content", "4 bytes, now 5"),
    ),
    "hidden": (
        lambda root: set_back(root / "untracked.txt", "hid\n"),
        Change("untracked.txt", "content", "4 bytes, now 4"),
    ),
    "ignored": (
        lambda root: (root / "ignored").write_text("other", encoding="utf-8"),
        Change("ignored", "content", "size, modification time"),
    ),
    "hidden-ignored": (
        lambda root: set_back(root / "ignored", "derongi\n"),
        Change("ignored", "metadata", "change time"),
    ),
    "mode": (
        lambda root: (root / "tracked.txt").chmod(0o600),
        Change("tracked.txt", "metadata", "mode"),
    ),
    "times": (
        lambda root: os.utime(root / "untracked.txt", (1, 1)),
        Change("untracked.txt", "metadata", "modification time"),
    ),
    "xattr": (
        lambda root: os.setxattr(root / "tracked.txt", "user.other", b"1"),
        Change("tracked.txt", "metadata", "change time"),
    ),
    "link": (
        lambda root: (root / "new").symlink_to("/etc"),
        Change("new", "created", "a link -> /etc"),
    ),
    "removed": (lambda root: (root / "ignored").unlink(), Change("ignored", "removed")),
    "kind": (
        lambda root: ((root / "ignored").unlink(), (root / "ignored").mkdir()),
        Change("ignored", "content", "a file of 8 bytes became a folder"),
    ),
    "hook": (
        lambda root: (root / ".git" / "hooks" / "pre-commit").touch(),
        Change(".git/hooks/pre-commit", "created", "a file of 0 bytes"),
    ),
    "configuration": (
        lambda root: stage.git(root, "config", "core.pager", "evil"),
        Change(".git/config", "content", "0 bytes, now 0"),
    ),
    "staged": (
        lambda root: stage.git(root, "add", "untracked.txt"),
        Change("the index", "content", "what is staged differs"),
    ),
}


@pytest.mark.parametrize(("act", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_found(act: Callable[[Path], object], expected: Change, project: Path) -> None:
    """P8, F55: contents, metadata and git's own state, also where times were set back."""
    before = take(project)

    act(project)

    assert expected in compare(before, take(project, earlier=before))


def test_a_commit_is_found(project: Path) -> None:
    """P8, F55: HEAD is part of the state."""
    before = take(project)

    stage.git(project, "commit", "--allow-empty", "-qm", "second")

    changed = {change.path for change in compare(before, take(project, earlier=before))}
    assert "HEAD" in changed
    assert take(project).digest != before.digest


def test_what_is_staged_is_told_once(project: Path) -> None:
    """P11: git now keeps the file, so we read it no more; that is no change of the file."""
    before = take(project)

    stage.git(project, "add", "untracked.txt")

    changed = {change.path for change in compare(before, take(project, earlier=before))}
    assert changed == {"the index", "git status"}


def test_looking_is_not_changing(project: Path) -> None:
    """P8: neither we nor a person who asks git for the status is a violation."""
    before = take(project)
    (project / "tracked.txt").read_bytes()
    stage.git(project, "status")

    after = take(project, earlier=before)

    assert compare(before, after) == ()
    assert before.digest == after.digest


def test_a_file_that_came_and_went_leaves_its_folder_changed(project: Path) -> None:
    """P8: what was created and removed in between is seen by the folder's time."""
    before = take(project)
    (project / "folder" / "brief").touch()
    (project / "folder" / "brief").unlink()

    changed = compare(before, take(project, earlier=before))

    assert [(change.path, change.kind) for change in changed] == [("folder", "metadata")]


def test_a_folder_without_git_is_looked_at_all_the_same(tmp_path: Path) -> None:
    """P8, F55: its contents are read."""
    (tmp_path / "a").write_text("one", encoding="utf-8")
    before = take(tmp_path)
    set_back(tmp_path / "a", "two")

    assert compare(before, take(tmp_path, earlier=before)) == (
        Change("a", "content", "3 bytes, now 3"),
    )


def test_what_others_may_write_is_left_out(project: Path) -> None:
    """Private folders of tasks may lie inside of what is looked at."""
    room = project / "folder" / "room"
    room.mkdir()
    before = take(project, leave_out=[room])
    (room / "task").mkdir()

    assert compare(before, take(project, earlier=before, leave_out=[room])) == ()


def test_filters_of_a_project_are_not_run(project: Path) -> None:
    """P8: asking for the status would run what the project's configuration names."""
    ran = project.parent / "ran"
    (project / ".gitattributes").write_text("* filter=evil\n", encoding="utf-8")
    stage.git(project, "config", "filter.evil.clean", f"touch {ran}")
    (project / "tracked.txt").write_text("other bytes\n", encoding="utf-8")

    take(project)

    assert not ran.exists()


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    """F55: the second look takes contents from the first, so that it is cheap on large trees."""
    (tmp_path / "same").write_text("one", encoding="utf-8")
    (tmp_path / "other").write_text("one", encoding="utf-8")
    before = take(tmp_path)
    known = {path: entry._replace(content="known") for path, entry in before.entries.items()}
    (tmp_path / "other").write_text("two", encoding="utf-8")

    after = take(tmp_path, earlier=replace(before, entries=known))

    assert after.entries["same"].content == "known"
    assert after.entries["other"].content not in {"known", before.entries["other"].content}


def test_what_was_never_readable_hides_nothing(project: Path) -> None:
    """P8, P11: a folder that we may not look into is told by both looks; the rest is compared."""
    before = replace(take(project), problems=("folder could not be read: denied",))
    stage.git(project, "add", "untracked.txt")
    after = replace(take(project), problems=before.problems)

    assert {change.path for change in compare(before, after)} == {"the index", "git status"}


def test_a_tree_that_can_no_longer_be_read_is_a_change(tmp_path: Path) -> None:
    """P8, P11: nobody can say then that nothing was written."""
    before = TreeState(root=tmp_path, head="a", index="b")
    after = TreeState(root=tmp_path, problems=("git: it took too long",))

    changes = compare(before, after)

    assert [change.kind for change in changes] == ["content"]
    assert "it took too long" in changes[0].detail


def test_a_project_that_is_gone_is_a_change(project: Path) -> None:
    """P8, P11: it is told as such, and not as a mistake of ours."""
    before = take(project)
    project.rename(project.with_name("elsewhere"))

    changes = compare(before, take(project, earlier=before))

    assert Change("tracked.txt", "removed") in changes
    assert any("could not be read" in change.detail for change in changes)


def test_a_worktree_is_watched_where_git_keeps_it(project: Path) -> None:
    """P8, F55: its hooks and configuration are the main repository's; others' commits are not."""
    other = project.parent / "other"
    stage.git(project, "worktree", "add", "-q", str(other))
    before = take(other)
    stage.git(project, "commit", "--allow-empty", "-qm", "somebody else's")
    (project / ".git" / "hooks" / "pre-commit").touch()

    changes = compare(before, take(other, earlier=before))

    assert [change.path for change in changes] == [".git/common/hooks/pre-commit"]


def test_a_repository_that_git_does_not_understand_is_watched(tmp_path: Path) -> None:
    """P8, F55: a broken one is no hiding place."""
    (tmp_path / ".git" / "hooks").mkdir(parents=True)
    before = take(tmp_path)
    (tmp_path / ".git" / "hooks" / "pre-commit").touch()

    assert [change.path for change in compare(before, take(tmp_path))] == [".git/hooks/pre-commit"]


def test_what_was_too_much_to_read_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P11: of such files the metadata are compared, and the message says so."""
    monkeypatch.setattr(digest, "CONTENT_BYTES", 10)
    (tmp_path / "a").write_bytes(bytes(11))
    before = take(tmp_path)
    (tmp_path / "a").write_bytes(bytes(12))

    after = take(tmp_path, earlier=before)

    assert after.unread_count == 1
    told = explain(before, after, compare(before, after), OPEN)
    assert "Of 1 more files only the metadata were compared" in told
