"""Old code is what was landed, or the tests that need it are skipped and say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from upgrade.trees import SPINE, Release, Tree, extract, later


def test_a_missing_history_is_said(tmp_path: Path) -> None:
    """P11: a shallow clone or an archive has no old code; the tests are counted as skipped, with the reason."""
    absent = Release("absent", "0" * 40, SPINE.schema)

    with pytest.raises(pytest.skip.Exception, match=r"no history .* absent is not here"):
        extract(absent, tmp_path)


def test_a_tree_is_the_release_and_may_know_later_names(steps: Tree, told_steps: Tree) -> None:
    """ADR 7: nothing of it is changed but names of revisions, without which it would not start."""
    ours, theirs = (
        {
            str(f.relative_to(tree.root)): f.read_bytes()
            for f in tree.root.rglob("*.*")
            if f.is_file()
        }
        for tree in (steps, told_steps)
    )
    added = {f"alembic/versions/{each}_told.py" for each in later(steps.release.schema)}

    assert theirs.keys() - ours.keys() - compiled(theirs) == added
    assert {name: theirs[name] for name in ours.keys() - compiled(ours)} == {
        name: ours[name] for name in ours.keys() - compiled(ours)
    }


def compiled(files: dict[str, bytes]) -> set[str]:
    return {name for name in files if "__pycache__" in name}
