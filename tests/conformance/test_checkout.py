"""What is committed: the fixed top level, and nothing that belongs to one machine."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = {"pyproject.toml", "alembic.ini", "docker-compose.yml", "Makefile"}
REQUIRED = frozenset(FILES | {"alembic", "src", "flows", "personas", "tests"})
BESIDE = frozenset({"README.md", "CHANGELOG.md", "LICENSE", "docs", "benchmarks"})
LOCKS = frozenset({"requirements.lock", "requirements-dev.lock"})
# Put together here, or this file would be its own first finding.
MACHINE_PATH = b"/" + b"work" + b"/"


def tracked() -> list[str]:
    """Return the paths git would commit or has committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("an unpacked archive: nothing says what is committed")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [path for path in listed.stdout.decode().split("\0") if (ROOT / path).is_file()]


def strangers(paths: Iterable[str]) -> list[str]:
    """Return what has no place at the top level; dotfiles have."""
    tops = {path.split("/")[0] for path in paths}
    return sorted(t for t in tops - REQUIRED - BESIDE - LOCKS if not t.startswith("."))


def machine_traces(path: str, content: bytes) -> list[str]:
    """Return why *content* could not be committed on another machine as it is."""
    found = [f"{path}: names a path of this machine"] if MACHINE_PATH in content else []
    if path in LOCKS and b"://" in content:
        found.append(f"{path}: names a registry")
    return found


def test_the_top_level_is_fixed() -> None:
    """Everything required is committed, and nothing else stands beside it."""
    paths = tracked()

    assert strangers(paths) == []
    assert sorted((REQUIRED | LOCKS) - {path.split("/")[0] for path in paths}) == []


def test_nothing_committed_belongs_to_one_machine() -> None:
    """No file names a path of the machine it was written on; locks name no registry."""
    found = [
        trace for path in tracked() for trace in machine_traces(path, (ROOT / path).read_bytes())
    ]

    assert found == []


def test_a_stranger_is_noticed() -> None:
    """A new file or folder at the top is refused, a dotfile is not."""
    assert strangers(["src/a.py", ".ci/run", "LICENSE", "SECURITY.md", "tools/b.py"]) == [
        "SECURITY.md",
        "tools",
    ]


@pytest.mark.parametrize(
    ("path", "content", "count"),
    [
        ("docs/a.md", b"see /" + b"work/main", 1),
        ("docs/a.md", b"https://example.org/workers/", 0),
        ("requirements.lock", b"--index-url https://example.org", 1),
        ("requirements.lock", b"click==8.5.0", 0),
    ],
)
def test_a_trace_is_noticed(path: str, content: bytes, count: int) -> None:
    """Both kinds of trace are found, and only where they are one."""
    assert len(machine_traces(path, content)) == count
