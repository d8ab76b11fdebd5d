"""Old code is what was landed, or the tests that need it are skipped and say why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flowrunner.db import migrations
from upgrade.trees import PARTS, ROOT, SPINE, Release, Tree, extract


def test_a_missing_history_is_said(tmp_path: Path) -> None:
    """P11: a shallow clone or an archive has no old code; the tests are counted as skipped, with the reason."""
    absent = Release("absent", "0" * 40, SPINE.schema)

    with pytest.raises(pytest.skip.Exception, match=r"no history .* absent is not here"):
        extract(absent, tmp_path)


def test_a_tree_is_the_release_and_nothing_else(last: Tree) -> None:
    """ADR 7, ADR 20: it is started as it was landed; it asks today's database whether it is served."""
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", last.release.commit, *PARTS],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found = {str(f.relative_to(last.root)) for f in last.root.rglob("*") if f.is_file()}

    assert {name for name in found if "__pycache__" not in name} == set(
        listed.stdout.decode().splitlines()
    )
    assert last.release.schema == sorted(migrations.known())[-2]
