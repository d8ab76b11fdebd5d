"""Searching: hits that can be cited, bounded in number, size and time."""

from __future__ import annotations

import asyncio
import json
import signal
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from dispatch.agents import is_alive
from dispatch.apiagent.stage import children
from fixtures.waiting import until
from flowrunner.dispatch.apiagent import search
from flowrunner.dispatch.apiagent.project import DeclinedError, Project
from flowrunner.dispatch.apiagent.searching import Searcher
from flowrunner.dispatch.gates.gate import program

pytestmark = pytest.mark.anyio

FOR_EVER = "(a+)+$"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three files, one of them binary."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text("import os\nOS = 1\n", encoding="utf-8")
    (root / "b.txt").write_text("os\r\nläuft\n", encoding="utf-8")
    (root / "c.bin").write_bytes(b"os\0")
    return root


async def test_hits_name_file_and_line(root: Path) -> None:
    """F49, P11: and what was not searched is counted."""
    searcher = Searcher(Project(root))

    assert await searcher.grep(r"\bos\b") == (
        "a.py:1: import os\nb.txt:1: os\n"
        "[flowrunner: 2 hits in 3 files; 1 were binary, too large or unreadable]"
    )
    found = await searcher.grep("os", glob="*.py", ignore_case=True)
    assert found.splitlines()[:2] == ["a.py:1: import os", "a.py:2: OS = 1"]
    assert await searcher.grep("ä", "b.txt") == "b.txt:2: läuft\n[flowrunner: 1 hits in 1 files]"
    assert await searcher.grep("nowhere", "a.py") == "[flowrunner: 0 hits in 1 files]"


async def test_links_do_not_lead_out(root: Path) -> None:
    """P8: a link to a secret is not searched."""
    (root.parent / "secret").write_text("os\n", encoding="utf-8")
    (root / "d.txt").symlink_to("../secret")
    searcher = Searcher(Project(root))

    assert "d.txt" not in await searcher.grep("os")
    with pytest.raises(DeclinedError, match="outside of the project"):
        await searcher.grep("os", "../secret")


async def test_many_hits_are_cut_with_a_mark(root: Path) -> None:
    """P11: a model is told that there are more, and sees no endless line."""
    (root / "many.txt").write_text("hit\n" * 1000, encoding="utf-8")
    (root / "wide.txt").write_text("wide" * 10_000, encoding="utf-8")
    searcher = Searcher(Project(root))
    *hits, mark = (await searcher.grep("hit")).splitlines()
    wide = await searcher.grep("wide")

    assert len(hits) == search.HITS
    assert f"more than {search.HITS} hits" in mark
    assert "39700 more characters]" in wide
    assert len(wide) < 500


async def test_a_pattern_that_is_none(root: Path) -> None:
    """P11: the model is told what is wrong with it."""
    with pytest.raises(DeclinedError, match="not a regular expression"):
        await Searcher(Project(root)).grep("(")


async def test_a_search_for_ever_ends(root: Path) -> None:
    """F31, P11: with what it had found, and saying so."""
    (root / "b.txt").write_text("a" * 60 + "b", encoding="utf-8")
    (root / "a.py").write_text("aaa\n", encoding="utf-8")

    found = await Searcher(Project(root), seconds=1.0).grep(FOR_EVER)

    assert found.startswith("a.py:1: aaa\n[flowrunner: stopped after 1 s")


async def test_nobody_searches_for_who_is_gone(root: Path) -> None:
    """P12: cancelled, the process is gone at once."""
    (root / "b.txt").write_text("a" * 60 + "b", encoding="utf-8")
    before = children()
    task = asyncio.create_task(Searcher(Project(root)).grep(FOR_EVER))
    (process,) = await until(lambda: children() - before)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not is_alive(process)


async def test_a_search_whose_owner_was_killed_ends_by_itself(root: Path) -> None:
    """P3: nobody is left to end it, and an expression like this one never would."""
    (root / "long").write_text("a" * 60 + "!")
    wish = {"root": str(root), "paths": ["long"], "pattern": FOR_EVER, "ignore_case": False}
    process = await asyncio.create_subprocess_exec(
        *program(search.__name__), stdin=PIPE, stdout=PIPE
    )

    await process.communicate(json.dumps({**wish, "seconds": 1}).encode())

    assert process.returncode == -signal.SIGALRM
