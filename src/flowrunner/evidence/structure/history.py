"""How often files were changed lately, as git tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from flowrunner.evidence.git import GitFailure, GitLimits, run_git

COMMITS = 1000
_LIMITS = GitLimits(seconds=20.0)


def read_churn(root: Path) -> Mapping[str, int] | None:
    """Return in how many of the last commits each path was changed; None without a history."""
    output = run_git(
        root, "log", f"-n{COMMITS}", "--no-merges", "--no-renames", "--no-ext-diff",
        "--no-textconv", "--format=", "--name-only", "--relative", "-z", limits=_LIMITS,
    )  # fmt: skip
    if isinstance(output, GitFailure):
        return None
    names = output.decode("utf-8", "replace").replace("\n", "\0").split("\0")
    return Counter(name for name in names if name)
