"""Projects on disk for tests: files from a dictionary, commits by the real git."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from flowrunner.wire.findings import Answer, Claim, Severity

_GIT = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "gc.auto=0")
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def a_project(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write *files* below *root* and return it."""
    for name, content in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def git(root: Path, *args: str) -> str:
    done = subprocess.run(
        [*_GIT, *args], cwd=root, env=_ENVIRONMENT, capture_output=True, check=True
    )
    return done.stdout.decode("utf-8", "replace").strip()


def a_repository(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write *files*, then commit them all as the first commit."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    a_project(root, files)
    commit(root)
    return root


def commit(root: Path, message: str = "change") -> str:
    """Commit everything and return the commit's hash."""
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD")


def a_claim(file: str = "a.py", line: int = 1, quote: str = "value = 1", **other: object) -> Claim:
    """Return a claim; *other* replaces any field."""
    fields: dict[str, object] = {
        "rule": "magic",
        "category": "correctness",
        "severity": Severity.MINOR,
        "title": "A number without a name",
        "file": file,
        "line_start": line,
        "quote": quote,
    }
    return Claim.model_validate(fields | other)


def an_answer(*claims: Claim) -> Answer:
    return Answer(findings=claims)
