"""Where a problem of an answer stands: as a JSON pointer, for whatever shape the answer has."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flowrunner.definitions.context import Context, Project
from flowrunner.definitions.flow import NoInput
from flowrunner.definitions.produces import Citations, Produces
from flowrunner.engine.answers import Said
from flowrunner.engine.contracts import broken

CLAIM = {"file": "no.py", "line": 1, "quote": "x = 1"}


def a_context(root: Path) -> Context:
    return Context(UUID(int=1), NoInput(), "small", Project(1, "p", root), None, "n0nce", {}, {})


@pytest.mark.parametrize(
    ("answer", "pointer"),
    [
        (CLAIM, "answer"),
        ([CLAIM], "/0"),
        ({"claims": [CLAIM]}, "/claims/0"),
        ({"a/b": {"c~d": CLAIM}}, "/a~1b/c~0d"),
        ({"deep": [[{"x": CLAIM}]]}, "/deep/0/0/x"),
    ],
)
def test_every_citation_is_found_and_pointed_at(tmp_path: Path, answer: Any, pointer: str) -> None:
    """None-has 22, F59: at any depth, and named as programs name it (RFC 6901)."""
    said = Said(answer, answer)

    (problem,) = broken(Produces(citations=True), said, a_context(tmp_path))

    assert problem == f"{pointer}: no.py, line 1: the project has no such file"


@pytest.mark.parametrize(
    "answer",
    [
        {"file": "no.py", "line": 1},
        {"file": "no.py", "quote": "x"},
        {"line": 1, "quote": "x"},
        {"file": None, "line": 1, "quote": "x"},
        "no.py",
        7,
        None,
    ],
)
def test_what_names_no_place_is_no_citation(tmp_path: Path, answer: Any) -> None:
    """None-has 22: all three, or it is a matter of the type."""
    assert broken(Produces(citations=True), Said(answer, answer), a_context(tmp_path)) == ()


@pytest.mark.parametrize("claim", [{"line": "1"}, {"line": True}, {"file": 3}, {"quote": ["x"]}])
def test_a_citation_that_cannot_be_read_does_not_pass(tmp_path: Path, claim: Any) -> None:
    """P9: nobody gets past the check with a line that is no number."""
    answer = {**CLAIM, **claim}

    (problem,) = broken(Produces(citations=True), Said(answer, answer), a_context(tmp_path))

    assert problem == "answer: file and quote must be text, and the line a number"


def test_other_keys_may_be_said(tmp_path: Path) -> None:
    """None-has 22: the first key that is there is the line."""
    (tmp_path / "a.py").write_text("x = 1\ny = 2\nz = 3\n")
    citing = Citations(file="path", line=("at", "line"), line_end="to", quote="text")
    good = {"path": "a.py", "at": 2, "to": 3, "text": "y = 2\nz = 3"}
    bad = {"path": "a.py", "line": 2, "text": "x = 1"}
    answer = {"said": [good, bad, CLAIM]}

    found = broken(Produces(citations=citing), Said(answer, answer), a_context(tmp_path))

    assert [problem.partition(":")[0] for problem in found] == ["/said/1"]


@pytest.mark.parametrize(
    ("file", "pointer", "words"),
    [
        ("no.md", "/pages/1", "the project has no such file"),
        ("../x.md", "/pages/1", "names no file of the project (outside project)"),
        (".git/config", "/pages/1", "names no file of the project (outside project)"),
        ("folder", "/pages/1", "that is no file"),
    ],
)
def test_files_must_be_there(tmp_path: Path, file: str, pointer: str, words: str) -> None:
    """None-has 22: files of the project, and nothing beside it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.md").write_text("")
    answer = {"pages": ["a.md", file]}

    def files(_ctx: Context, said: Any) -> list[str]:
        return said["pages"]

    (problem,) = broken(Produces(files=files), Said(answer, answer), a_context(tmp_path))
    (other,) = broken(Produces(files=["a.md", "b.md"]), Said(7, 7), a_context(tmp_path))

    assert problem.startswith(f"{pointer}: {file}: ")
    assert words in problem
    assert other == "files: b.md: the project has no such file"
