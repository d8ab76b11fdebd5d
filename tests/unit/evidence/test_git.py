"""Git answers questions; a repository's own settings run nothing, and failures are values."""

import os
import stat
from pathlib import Path

import pytest

from flowrunner.evidence import git as gits
from flowrunner.evidence.changes import Change, changed_files, changed_lines, parse_hunks
from flowrunner.evidence.git import GitFailure, GitLimits, GitReason
from unit.evidence.projects import a_project, a_repository, commit, git


def reason(answer: object) -> GitReason | None:
    return answer.reason if isinstance(answer, GitFailure) else None


def a_trap(root: Path, canary: Path) -> str:
    """Return a program that leaves a trace when it is run."""
    program = root.parent / "trap.sh"
    program.write_text(f"#!/bin/sh\necho run >> '{canary}'\ncat\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def test_no_program_named_by_the_repository_is_run(tmp_path: Path) -> None:
    """Hooks, fsmonitor, external diffs, text conversion and content filters all stay unrun."""
    root = a_repository(tmp_path / "p", {"a.py": "x = 1\n", ".gitattributes": "*.py -diff\n"})
    canary = tmp_path / "canary"
    trap = a_trap(root, canary)
    a_project(root, {".gitattributes": "*.py filter=evil diff=evil\n", "a.py": "x = 2\n"})
    for key in ("core.fsmonitor", "diff.external", "diff.evil.command", "diff.evil.textconv"):
        git(root, "config", key, trap)
    for key in ("filter.evil.clean", "filter.evil.process", "core.pager", "core.sshCommand"):
        git(root, "config", key, trap)
    a_project(root, {".git/hooks/post-index-change": Path(trap).read_text()})
    (root / ".git/hooks/post-index-change").chmod(0o755)
    head = gits.head_commit(root)
    assert isinstance(head, str)

    changes = changed_files(root, head, None)
    lines = changed_lines(root, head, None)
    files = gits.tracked_files(root, untracked=True)

    assert not canary.exists()
    assert not isinstance(changes, GitFailure)
    assert (reason(lines), reason(files)) == (None, None)
    assert Change("a.py", "modified", 1, 1) in changes
    assert git(root, "diff", "--stat") or canary.exists(), "the trap itself must work"
    assert canary.exists()


def test_asking_writes_nothing(tmp_path: Path) -> None:
    """Not even the index is refreshed, although a touched file invites it."""
    root = a_repository(tmp_path / "p", {"a.py": "x = 1\n"})
    os.utime(root / "a.py", (1, 1))
    before = {p: p.stat().st_mtime_ns for p in sorted(root.rglob("*"))}
    head = gits.head_commit(root)
    assert isinstance(head, str)

    changed_files(root, head, None)
    gits.tracked_files(root, untracked=True)

    assert {p: p.stat().st_mtime_ns for p in sorted(root.rglob("*"))} == before


@pytest.mark.parametrize("revision", ["--output=evil", "-p", "", "no-such", "main\n", "main:a.py"])
def test_a_revision_is_never_an_option(tmp_path: Path, revision: str) -> None:
    """What a caller names is resolved to a hash or refused, and no file appears."""
    root = a_repository(tmp_path / "p", {"a.py": ""})

    assert reason(gits.resolve_commit(root, revision)) is GitReason.UNKNOWN_REVISION
    assert sorted(p.name for p in root.iterdir()) == [".git", "a.py"]


def test_what_is_no_repository_is_a_value(tmp_path: Path) -> None:
    """A plain folder can be reviewed too."""
    assert reason(gits.head_commit(tmp_path)) is GitReason.NOT_A_REPOSITORY


def test_a_bare_repository_posing_as_a_folder_is_not_trusted(tmp_path: Path) -> None:
    """A tree with HEAD, objects and refs at its top must not bring its own git settings."""
    git(tmp_path, "init", "-q", "--bare", "p")

    assert isinstance(gits.tracked_files(tmp_path / "p"), GitFailure)


def test_a_git_inside_the_project_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search path that leads into the project must not pick the project's own program."""
    root = a_repository(tmp_path / "p", {"a.py": ""})
    canary = tmp_path / "canary"
    a_project(root, {"bin/git": f"#!/bin/sh\ntouch '{canary}'\n"})
    (root / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", str(root / "bin"))

    assert reason(gits.head_commit(root)) is GitReason.NO_GIT
    assert not canary.exists()


def test_output_is_limited(tmp_path: Path) -> None:
    """A git that talks for ever ends as a value, not as a full memory."""
    root = a_repository(tmp_path / "p", {f"file-{n}.py": "" for n in range(50)})

    loud = gits.run_git(root, "ls-files", "-z", limits=GitLimits(output_bytes=100))

    assert reason(loud) is GitReason.TOO_LARGE


def test_a_git_that_hangs_is_killed(tmp_path: Path) -> None:
    """The limit ends the whole process group, so that nobody keeps the pipe open."""
    root = a_repository(tmp_path / "p", {"a.py": ""})
    hang = "alias.hang=!sleep 60 & sleep 60"

    answer = gits.run_git(root, "-c", hang, "hang", limits=GitLimits(seconds=0.3))

    assert reason(answer) is GitReason.TIMEOUT


def test_changes_name_status_counts_and_old_names(tmp_path: Path) -> None:
    """Renames, deletions, binary files and difficult names are told apart."""
    names = ["plain.py", 'tab\t"quote"\n.py', "-dash.py", "ümlaut.py"]
    body = "".join(f"line {n}\n" for n in range(9))
    root = a_repository(tmp_path / "p", dict.fromkeys(names, body) | {"b.bin": b"\0\1", "gone": ""})
    base = git(root, "rev-parse", "HEAD")
    (root / "plain.py").rename(root / "moved.py")
    (root / "gone").unlink()
    a_project(root, {"b.bin": b"\0\2", names[1]: body + "more\n", "-dash.py": body[7:]})
    head = commit(root)

    changes = changed_files(root, base, head)

    assert not isinstance(changes, GitFailure)
    assert set(changes) == {
        Change("moved.py", "renamed", 0, 0, "plain.py"),
        Change("gone", "deleted", 0, 0),
        Change("b.bin", "modified", None, None),
        Change(names[1], "modified", 1, 0),
        Change("-dash.py", "modified", 0, 1),
    }


def test_changed_lines_are_those_of_the_later_side(tmp_path: Path) -> None:
    """The working tree counts as the later side, and content cannot pose as a header."""
    lines = [f"line {n}" for n in range(1, 11)]
    name = 'odd "name"\t.py'
    root = a_repository(tmp_path / "p", {name: "\n".join(lines) + "\n", "z.py": "a\n"})
    lines[2] = "++ b/evil.py"
    lines[7:7] = ["changed", "@@ -1 +9 @@"]
    a_project(root, {name: "\n".join(lines) + "\n", "z.py": ""})

    found = changed_lines(root, git(root, "rev-parse", "HEAD"), None)

    assert found == {name: ((3, 3), (8, 9)), "z.py": ((1, 1),)}


def test_a_deleted_file_has_no_changed_lines() -> None:
    """There is no later side to read."""
    output = b"diff --git a/x b/x\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"

    assert parse_hunks(output) == {}


def test_a_folder_of_a_repository_is_a_project_too(tmp_path: Path) -> None:
    """Paths are relative to the project, and its neighbours do not show."""
    root = a_repository(tmp_path / "p", {"one/a.py": "1\n", "two/b.py": "1\n"})
    base = git(root, "rev-parse", "HEAD")
    a_project(root, {"one/a.py": "2\n", "two/b.py": "2\n"})

    assert gits.tracked_files(root / "one") == ("a.py",)
    assert changed_files(root / "one", base, None) == (Change("a.py", "modified", 1, 1),)
