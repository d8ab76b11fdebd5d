"""The scope says what is under review, how large it is, and whom it calls for."""

import os
from pathlib import Path

import pytest

from flowrunner.core.errors import InvalidInputError
from flowrunner.evidence.languages import is_docs, is_generated, is_source, is_test, language_of
from flowrunner.evidence.scope import Scope, band_of, build_scope
from flowrunner.evidence.signals import SignalKind
from unit.evidence.projects import a_project, a_repository, commit, git

NONE: set[SignalKind] = set()


def paths(scope: Scope) -> list[str]:
    return [file.path for file in scope.files]


def codes(error: InvalidInputError) -> list[tuple[str, str | None]]:
    return [(problem.code, problem.pointer) for problem in error.problems]


def test_without_a_base_everything_is_in_scope(tmp_path: Path) -> None:
    """New files count, ignored and deleted ones do not, and nothing counts as changed."""
    root = a_repository(tmp_path / "p", {"a.py": "x\n", ".gitignore": "*.log", "gone.py": ""})
    a_project(root, {"new.py": "", "x.log": ""})
    (root / "gone.py").unlink()

    scope = build_scope(root)

    assert paths(scope) == [".gitignore", "a.py", "new.py"]
    assert {file.status for file in scope.files} == {"unchanged"}
    assert scope.lines_changed == 0
    assert scope.commit == git(root, "rev-parse", "HEAD")
    assert not scope.is_tiny


def test_the_working_tree_is_compared_with_where_it_left_the_base(tmp_path: Path) -> None:
    """Work of others on the base is not under review; one's own new files are."""
    root = a_repository(tmp_path / "p", {"a.py": "1\n", "b.py": "1\n"})
    git(root, "checkout", "-q", "-b", "feature")
    a_project(root, {"a.py": "1\n2\n"})
    commit(root)
    git(root, "checkout", "-q", "main")
    a_project(root, {"b.py": "other\n"})
    commit(root)
    git(root, "checkout", "-q", "feature")
    a_project(root, {"new.py": "a\nb\n"})

    scope = build_scope(root, base="main")

    assert [(f.path, f.status, f.added, f.deleted) for f in scope.files] == [
        ("a.py", "modified", 1, 0),
        ("new.py", "added", 2, 0),
    ]
    assert scope.is_tiny
    assert scope.notes == ()


def test_two_commits_are_compared_and_a_mismatch_is_noted(tmp_path: Path) -> None:
    """Reviewers read the disk: if it is not the head, the scope says so."""
    root = a_repository(tmp_path / "p", {"a.py": "1\n", "gone.py": "1\n2\n3\n"})
    base = git(root, "rev-parse", "HEAD")
    a_project(root, {"a.py": "2\n"})
    (root / "gone.py").unlink()
    head = commit(root)

    clean = build_scope(root, base=base, head=head)
    a_project(root, {"a.py": "3\n"})
    dirty = build_scope(root, base=base, head=head)
    git(root, "checkout", "-q", "--force", base)
    elsewhere = build_scope(root, base=base, head=head)

    assert paths(clean) == ["a.py", "gone.py"]
    assert clean.readable == ("a.py",)
    assert [clean.notes, len(dirty.notes), len(elsewhere.notes)] == [(), 1, 1]
    assert "not checked out" in elsewhere.notes[0]


def test_paths_narrow_the_scope(tmp_path: Path) -> None:
    """Files and folders are taken by name; a neighbour with the same beginning is not."""
    root = a_project(tmp_path, {"src/a.py": "", "src2/b.py": "", "c.py": ""})

    assert paths(build_scope(root, paths=["src/", "./c.py"])) == ["c.py", "src/a.py"]
    assert paths(build_scope(root, paths=["."])) == ["c.py", "src/a.py", "src2/b.py"]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Each bad path has its own pointer, and nothing outside is looked at."""
    root = a_project(tmp_path / "p", {"a.py": ""})
    a_project(tmp_path, {"out.py": ""})

    with pytest.raises(InvalidInputError) as caught:
        build_scope(root, paths=["../out.py", "a.py", "/etc/passwd", "none.py"])

    assert codes(caught.value) == [("bad-path", f"/paths/{n}") for n in (0, 2, 3)]


@pytest.mark.parametrize(
    ("base", "head", "expected"),
    [
        ("nope", None, [("unknown-revision", "/base")]),
        ("--output=x", "-p", [("unknown-revision", "/base"), ("unknown-revision", "/head")]),
        (None, "main", [("missing-base", "/base")]),
    ],
)
def test_a_revision_that_is_none_is_refused(
    tmp_path: Path, base: str | None, head: str | None, expected: list[tuple[str, str]]
) -> None:
    """A caller's words are resolved before git sees them as anything else."""
    root = a_repository(tmp_path / "p", {"a.py": ""})

    with pytest.raises(InvalidInputError) as caught:
        build_scope(root, base=base, head=head)

    assert codes(caught.value) == expected


def test_a_base_needs_a_repository(tmp_path: Path) -> None:
    """A plain folder has nothing to compare with, and the hint says what to do."""
    with pytest.raises(InvalidInputError) as caught:
        build_scope(tmp_path, base="main")

    assert codes(caught.value) == [("not-a-repository", "/base")]
    assert caught.value.problems[0].hint


def test_a_name_that_json_cannot_carry_is_noted(tmp_path: Path) -> None:
    """P11: such a file is left out aloud."""
    a_project(tmp_path, {"a.py": ""})
    (tmp_path / os.fsdecode(b"\xff.py")).write_bytes(b"")

    scope = build_scope(tmp_path)

    assert paths(scope) == ["a.py"]
    assert scope.nameless == 1


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", "import asyncio\n", {SignalKind.CONCURRENCY}),
        ("a.py", "async def f(): ...\n", {SignalKind.CONCURRENCY}),
        ("a.py", "from concurrent.futures import wait\n", {SignalKind.CONCURRENCY}),
        ("a.py", "import psycopg\n", {SignalKind.STORAGE}),
        ("a.py", "Q = 'SELECT a FROM b WHERE c'\n", {SignalKind.STORAGE}),
        ("a.py", "# we use threading here\nimport os\n", NONE),
        ("a.py", "from . import threading\n", NONE),
        ("a.py", "async def f(:\n", {SignalKind.CONCURRENCY}),
        ("main.go", "go func() {\n", {SignalKind.CONCURRENCY}),
        ("tests/test_a.py", "import asyncio, psycopg\n", NONE),
        ("docs/a.md", "SELECT a FROM b \n", NONE),
        ("db/schema.sql", "", {SignalKind.STORAGE}),
        ("Dockerfile", "FROM x\n", {SignalKind.OPERATIONS}),
        (".github/workflows/ci.yml", "", {SignalKind.OPERATIONS}),
        ("deploy/README.md", "", NONE),
        ("pyproject.toml", "", {SignalKind.OPERATIONS}),
    ],
)
def test_signs_call_specialists(
    tmp_path: Path, name: str, text: str, expected: set[SignalKind]
) -> None:
    """Imports, keywords and names each call; words in comments, tests and prose do not."""
    scope = build_scope(a_project(tmp_path, {name: text}))

    assert {signal.kind for signal in scope.signals} == expected
    assert all(scope.has(kind) for kind in expected)


def test_a_new_source_file_is_a_sign(tmp_path: Path) -> None:
    """A module that was not there before has a structure to look at; a new test has not."""
    root = a_repository(tmp_path / "p", {"a.py": ""})
    a_project(root, {"b.py": "x = 1\n", "tests/test_b.py": "", "README.md": ""})

    (signal,) = build_scope(root, base="HEAD").signals

    assert (signal.kind, signal.count) == (SignalKind.NEW_MODULE, 1)
    assert [place.file for place in signal.places] == ["b.py"]


def test_signs_are_counted_by_file_and_shown_in_part(tmp_path: Path) -> None:
    """Five places are enough to see why; the count is complete."""
    root = a_project(tmp_path, {f"m{n}.py": "import asyncio\nimport threading\n" for n in range(9)})

    (signal,) = build_scope(root).signals

    assert (signal.count, len(signal.places)) == (9, 5)


@pytest.mark.parametrize(("count", "band"), [(1, "small"), (3, "small"), (4, "medium")])
def test_the_band_grows_with_the_files(tmp_path: Path, count: int, band: str) -> None:
    """Three files are small, ten medium, more large."""
    root = a_project(tmp_path, {f"{n}.py": "" for n in range(count)})

    assert band_of(build_scope(root)) == band
    assert band_of(build_scope(a_project(root, {f"x{n}.py": "" for n in range(10)}))) == "large"


def test_the_same_tree_gives_the_same_scope(tmp_path: Path) -> None:
    """A scope is an input of other steps: it must not depend on when or how often."""
    root = a_repository(tmp_path / "p", {"b.py": "import asyncio\n", "a.sql": "", "Makefile": ""})

    assert build_scope(root).model_dump_json() == build_scope(root).model_dump_json()


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("src/a.py", "source"),
        ("src/a_test.go", "test"),
        ("tests/helpers.py", "test"),
        ("web/a.spec.ts", "test"),
        ("conftest.py", "test"),
        ("contest.py", "source"),
        ("README.md", "docs"),
        ("requirements.txt", ""),
        ("LICENSE", "docs"),
        ("vendor/x/a.go", "generated"),
        ("a.min.js", "generated"),
        ("poetry.lock", "generated"),
        ("Makefile", ""),
        ("x.unknown", ""),
    ],
)
def test_files_are_told_apart_by_name(path: str, kinds: str) -> None:
    """Source, test, prose and what others wrote; at most one of them."""
    judges = {"source": is_source, "test": is_test, "docs": is_docs, "generated": is_generated}

    assert " ".join(kind for kind, judge in judges.items() if judge(path)) == kinds


def test_languages_are_known_by_name_or_suffix() -> None:
    """Names win over suffixes, and the unknown is said to be so."""
    names = ["a.PY", "Dockerfile.dev", "GNUmakefile", "yarn.lock", "x.bin"]

    assert [language_of(n) for n in names] == ["python", "dockerfile", "make", "lock", "other"]
