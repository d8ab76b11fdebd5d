"""A claim is believed to be somewhere only if its quote is there."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.evidence.citations import check_citation, locate, match_quote
from flowrunner.evidence.tree import MAX_BYTES, Tree, pin_tree
from flowrunner.wire.findings import Citation
from unit.evidence.projects import a_claim, a_project

TEXT = (
    "import os\n\ndef load(path):\n    return os.popen(f'cat {path}')\n\n\ndef save():\n    pass\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    files = {"a.py": TEXT, "sub/b.py": "x = 1\n", "p.png": b"\0", "huge.txt": b"y" * MAX_BYTES}
    a_project(tmp_path, files | {"over.txt": b"y" * (MAX_BYTES + 1), "gone.py": "", "empty.py": ""})
    pinned = pin_tree(tmp_path)
    (tmp_path / "gone.py").write_text("changed")
    return pinned


@pytest.mark.parametrize(
    ("file", "lines", "quote", "expected"),
    [
        ("a.py", (4, 4), "    return os.popen(f'cat {path}')", Citation.EXACT),
        ("a.py", (4, None), "os.popen(f'cat", Citation.EXACT),
        ("./a.py", (3, 4), "def load(path):\n  return os.popen(f'cat {path}')", Citation.EXACT),
        ("a.py", (3, None), "def load(path):\n    return os.popen(f'cat {path}')", Citation.EXACT),
        ("a.py", (1, None), "import os\ndef load(path):", Citation.EXACT),
        ("a.py", (8, 8), "pass", Citation.EXACT),
        ("a.py", (3, 3), "return os.popen(f'cat {path}')", Citation.MOVED),
        ("a.py", (3, 99), "return os.popen(f'cat {path}')", Citation.MOVED),
        ("a.py", (99, 99), "def save():", Citation.MOVED),
        ("a.py", (7, 7), "pass", Citation.QUOTE_MISMATCH),
        ("a.py", (4, 4), "os", Citation.QUOTE_MISMATCH),
        ("a.py", (4, 4), "return os.popen(path)", Citation.QUOTE_MISMATCH),
        ("a.py", (4, 4), " \n ", Citation.QUOTE_MISMATCH),
        ("a.py", (9, 9), "never was here", Citation.LINE_OUT_OF_RANGE),
        ("a.py", (4, 3), "never was here", Citation.LINE_OUT_OF_RANGE),
        ("empty.py", (1, 1), "x", Citation.LINE_OUT_OF_RANGE),
        ("b.py", (1, 1), "x = 1", Citation.FILE_MISSING),
        ("sub", (1, 1), "x = 1", Citation.FILE_MISSING),
        ("sub/../a.py", (1, 1), "import os", Citation.OUTSIDE_PROJECT),
        ("/etc/passwd", (1, 1), "root", Citation.OUTSIDE_PROJECT),
        ("gone.py", (1, 1), "changed", Citation.TREE_CHANGED),
        ("p.png", (1, 1), "anything", Citation.QUOTE_MISMATCH),
        ("over.txt", (1, 1), "yyyyyyyyyy", Citation.QUOTE_MISMATCH),
    ],
)
def test_each_verdict_has_its_case(
    tree: Tree, file: str, lines: tuple[int, int | None], quote: str, expected: Citation
) -> None:
    """F-02: place and quote are compared with the pinned bytes, and every misfit has a name."""
    claim = a_claim(file, lines[0], quote, line_end=lines[1])

    assert check_citation(claim, tree) is expected


def test_an_absolute_path_inside_the_project_is_understood(tree: Tree) -> None:
    """F-02: models name files by absolute path; the finding gets the project's name for it."""
    found = locate(a_claim(str(tree.root / "sub/b.py"), 1, "x = 1"), tree)

    assert (found.citation, found.file) == (Citation.EXACT, "sub/b.py")


def test_a_moved_quote_is_placed_where_it_is_nearest() -> None:
    """F-02: with several equal lines the one closest to the cited line is meant."""
    lines = ("values = 1", "x", "x", "values = 1", "x")

    found = match_quote(a_claim(line=5, quote="values = 1"), "a.py", lines)

    assert (found.citation, found.first, found.last) == (Citation.MOVED, 4, 4)


def test_a_citation_of_half_the_file_names_no_place() -> None:
    """F-02: a quote somewhere in a thousand cited lines is moved to where it stands."""
    lines = tuple(f"value_{n} = {n}" for n in range(1, 1001))

    found = match_quote(a_claim(line=1, line_end=1000, quote="value_700 = 700"), "a.py", lines)

    assert (found.citation, found.first) == (Citation.MOVED, 700)


@given(
    lines=st.lists(st.text(alphabet="ab (\t\x0c\u2028é", max_size=12), min_size=1, max_size=20),
    at=st.data(),
)
def test_the_text_of_a_line_is_always_exact(lines: list[str], at: st.DataObject) -> None:
    """F-02: whoever copies whole lines from where they stand is believed."""
    first = at.draw(st.integers(1, len(lines)))
    last = at.draw(st.integers(first, len(lines)))
    quote = "\n".join(lines[first - 1 : last])

    if quote.split():
        claim = a_claim(line=first, line_end=last, quote=quote)
        assert match_quote(claim, "a.py", tuple(lines)).citation is Citation.EXACT


@given(st.lists(st.text(alphabet="ab", max_size=6), max_size=8), st.text(alphabet="c", min_size=1))
def test_what_is_not_in_the_file_is_never_found(lines: list[str], quote: str) -> None:
    """F-02: an invented quote is neither exact nor moved."""
    found = match_quote(a_claim(line=1, quote=quote), "a.py", tuple(lines))

    assert found.citation in {Citation.QUOTE_MISMATCH, Citation.LINE_OUT_OF_RANGE}
    assert (found.first, found.last) == (None, None)
