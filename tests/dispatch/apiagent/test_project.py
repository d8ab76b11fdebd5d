"""What the tools show of a project, and what they never do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from flowrunner.dispatch.apiagent import project as looked
from flowrunner.dispatch.apiagent.project import DeclinedError, Project, fits


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a secret beside it."""
    (tmp_path / "secret.txt").write_text("the secret", encoding="utf-8")
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "README.md").write_text("one\ntwo\nthree\n", encoding="utf-8")
    (root / "src" / "a.py").write_text("x = 1\n", encoding="utf-8")
    (root / "inner.md").symlink_to("README.md")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def declined(root: Path, path: str) -> str:
    with pytest.raises(DeclinedError) as caught:
        Project(root).read(path)
    return str(caught.value)


def test_lines_have_their_numbers(root: Path) -> None:
    """F49: a model can cite what it reads; an absolute path and a link within lead there, too."""
    told = "1: one\n2: two\n3: three"

    assert Project(root).read("README.md") == told
    assert Project(root).read(f"{root}/README.md") == told
    assert Project(root).read("inner.md") == told


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "src/../../secret.txt",
        "out.txt",
        "out/secret.txt",
        "/etc/passwd",
        "/proc/self/environ",
        "proc/self/environ",
        ".git/HEAD",
        ".GIT/HEAD",
        "src/../.git/config",
        "git/HEAD",
        "swallowed\0/etc/passwd",
    ],
)
def test_nothing_outside_is_read(root: Path, path: str) -> None:
    """P8: neither by name nor through a link, and nothing of git's own; it is told so."""
    (root / "out.txt").symlink_to("../secret.txt")
    (root / "out").symlink_to("..")
    (root / "proc").symlink_to("/proc")
    (root / "git").symlink_to(".git")

    assert "is outside of the project" in declined(root, path)
    with pytest.raises(DeclinedError, match="is outside of the project"):
        Project(root).list(path)


def test_outside_of_a_project_that_is_a_link(root: Path) -> None:
    """P8: absolute paths are understood from both of its names, and from no others."""
    other = root.parent / "by-another-name"
    other.symlink_to(root)

    assert Project(other).read(f"{other}/README.md") == Project(other).read(f"{root}/README.md")
    assert "is outside" in declined(other, f"{root}-and-more/README.md")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nothing.txt", "does not exist"),
        ("src", "is not a file"),
        ("blob", "is binary"),
        ("large", "is larger than"),
        ("pipe", "is not a file"),
    ],
)
def test_what_cannot_be_shown_is_said(root: Path, path: str, told: str) -> None:
    """P11: no empty result, and nobody waits for a pipe."""
    (root / "blob").write_bytes(b"\x7fELF\0\0")
    (root / "large").write_bytes(b"x" * (looked.MAX_BYTES + 1))
    os.mkfifo(root / "pipe")

    assert told in declined(root, path)


def test_a_long_file_is_cut_with_a_mark(root: Path) -> None:
    """P11: the mark says which lines these are, of how many, and how to go on."""
    (root / "long").write_text("".join(f"l{n}\n" for n in range(1, 2501)), encoding="utf-8")
    first = Project(root).read("long")
    last = Project(root).read("long", start_line=2401)

    *lines, mark = first.splitlines()
    assert (len(lines), lines[-1]) == (looked.READ_LINES, "1000: l1000")
    assert "lines 1 to 1000 of 2500; go on with start_line=1001" in mark
    assert last.splitlines()[-1] == "2500: l2500"
    with pytest.raises(DeclinedError, match="has only 2500 lines"):
        Project(root).read("long", start_line=2501)


def test_long_lines_are_cut_with_a_mark(root: Path) -> None:
    """P11: one line does not fill a model's memory, nor do many."""
    (root / "wide").write_text(f"{'x' * 100_000}\nend\n", encoding="utf-8")
    (root / "both").write_text(f"{'x' * 1999}\n" * 100, encoding="utf-8")
    wide, both = Project(root).read("wide"), Project(root).read("both")

    assert "more characters]\n2: end" in wide
    assert len(wide) < looked.LINE_CHARACTERS + 100
    assert "these are lines 1 to 29 of 100" in both


def test_listing_follows_git(root: Path) -> None:
    """F49: what it ignores is no source; a folder or a glob narrows it down."""
    (root / ".gitignore").write_text("*.log\n", encoding="utf-8")
    (root / "a.log").write_text("", encoding="utf-8")
    project = Project(root)

    assert project.list() == ".gitignore\nREADME.md\ninner.md\nsrc/a.py"
    assert project.list("src") == project.list(glob="*.py") == project.list("src/a.py")
    assert project.list(f"{root}/src", "**/*.py") == "src/a.py"
    with pytest.raises(DeclinedError, match="no files at 'sr'"):
        project.list("sr")


def test_a_long_listing_is_cut_with_a_mark(root: Path) -> None:
    """P11: it says how many more there are."""
    for number in range(looked.LISTED):
        (root / f"{number:04}.txt").touch()
    lines = Project(root).list().splitlines()

    assert len(lines) == looked.LISTED + 1
    assert "cut, 3 more files" in lines[-1]


def test_a_name_is_one_line(root: Path) -> None:
    """P11: a name cannot pretend to be two files."""
    (root / "a\nREADME.md").touch()

    assert "a\\nREADME.md" in Project(root).list()


@pytest.mark.parametrize(
    ("path", "glob", "is_fit"),
    [
        ("src/a.py", "", True),
        ("src/a.py", "*.py", True),
        ("src/a.py", "src/**/*.py", True),
        ("src/b/a.py", "src/**/*.py", True),
        ("src/a.py", "a.*", True),
        ("src/a.py", "*.md", False),
        ("src/a.py", "lib/**", False),
    ],
)
def test_globs(path: str, glob: str, *, is_fit: bool) -> None:
    """F49: as people write them."""
    assert fits(path, glob) is is_fit
