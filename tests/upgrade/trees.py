"""Real code of earlier days: trees of landed commits, run as processes of their own."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src", "alembic", "flows", "personas")


@dataclass(frozen=True, slots=True)
class Release:
    """A state of the project that people may run: a landed commit, and the schema of its time."""

    name: str
    commit: str
    schema: str


SPINE = Release("spine", "673dcfe75d6eae193fa7d616a05631d25b6cf472", "0001")
"""The end of the issue before children, approvals and waits."""
STEPS = Release("steps", "3d0915fbf5e629d91629a1a208c2e004c0105cd6", "0002")
"""The end of the issue before functions of a second version; it serves no schema but its own."""
LAST = Release("taken", "e947359950620781b84e0a8a68e81169c1f5034b", "0003")
"""The release before this one: the end of the issue before real agents and their quota."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The code of a release in a folder."""

    release: Release
    root: Path

    @property
    def settings(self) -> dict[str, str]:
        """What makes a process run this code and no other."""
        return {"PYTHONPATH": str(self.root / "src")}


def extract(release: Release, folder: Path) -> Tree:
    """Unpack *release* below *folder*; skips the test, and says so, where there is no history."""
    command = ["git", "archive", release.commit, *PARTS]
    try:
        made = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no git: the code of earlier releases cannot be had")
    if made.returncode != 0:
        reason = made.stderr.decode().strip()
        pytest.skip(
            f"no history (a shallow clone, an archive): {release.name} is not here: {reason}"
        )
    root = folder / release.name
    root.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(root, filter="data")
    return Tree(release, root)
