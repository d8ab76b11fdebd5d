"""Which files a project has: asked of git, or found by a walk that follows no links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowrunner.evidence.git import GitReason, tracked_files

# What a walk leaves out where git is not there to say what is ignored.
_NOT_SOURCES = frozenset(
    {".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "node_modules", "__pycache__"}
    | {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".eggs"}
)
_NO_GIT = frozenset({GitReason.NOT_A_REPOSITORY, GitReason.NO_GIT})


@dataclass(frozen=True, slots=True)
class Listing:
    """*paths* are relative, with forward slashes, sorted; *problem* says why git was not used."""

    paths: tuple[str, ...]
    from_git: bool
    problem: str | None = None


def list_files(root: Path) -> Listing:
    """List what git tracks and what is new and not ignored; without a repository, walk."""
    found = tracked_files(root, untracked=True)
    if isinstance(found, tuple):
        return Listing(found, from_git=True)
    problem = None if found.reason in _NO_GIT else f"git: {found.message}"
    return Listing(tuple(sorted(_walk(root))), from_git=False, problem=problem)


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root, followlinks=False):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if name not in _NOT_SOURCES and not (here / name / "pyvenv.cfg").exists()
        ]
        yield from ((here / name).relative_to(root).as_posix() for name in files if name != ".git")
