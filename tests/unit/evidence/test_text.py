"""Text from reviewers and repositories cannot act on the page that shows it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flowrunner.evidence.folding import fold
from flowrunner.evidence.text import code_block, findings_table, inline, visible
from flowrunner.evidence.tree import Tree
from unit.evidence.projects import a_claim, an_answer

MARKUP = st.text(alphabet="ab *_`[]()<>!#|~-+.\\&;\n\t1:/@'\"$=")
PLAIN = {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "softbreak"}


def tokens(markdown: str) -> set[str]:
    parsed = MarkdownIt("commonmark", {"linkify": False}).enable("table").parse(markdown)
    return {t.type for token in parsed for t in (token, *(token.children or []))}


@given(MARKUP)
def test_inline_text_has_no_markup(text: str) -> None:
    """Whatever is written in it, only plain text is rendered."""
    assert tokens(f"x {inline(text)}") <= PLAIN


@given(MARKUP)
def test_inline_text_reads_as_it_was(text: str) -> None:
    """Escapes disappear when rendered: the reader sees the words themselves."""
    expected = " ".join(text.split())
    rendered = MarkdownIt("commonmark").parse(f"x {inline(text)}")[1].children or []

    assert "".join(t.content for t in rendered) == f"x {expected}".strip()


@given(st.text(alphabet="a`\n~"))
def test_a_code_block_cannot_be_closed_from_within(text: str) -> None:
    """A quote with fences of its own stays one block."""
    assert tokens(code_block(text)) == {"fence"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u202eb\u200b\x1b[31m", "a<U+202E>b<U+200B><U+001B>[31m"),
        ("a\r\nb\tc", "a b c"),
        ("\ud800", "<U+D800>"),
        ("naïve 漢字", "naïve 漢字"),
    ],
)
def test_what_hides_is_shown(text: str, expected: str) -> None:
    """Bidirectional, zero-width and terminal characters appear as their numbers."""
    assert visible(text) == expected


def test_long_text_is_cut_with_a_mark() -> None:
    """A cut is never silent."""
    assert inline("a" * 400, cap=10) == "a" * 9 + "…"


def test_a_row_stays_one_row() -> None:
    """A title with pipes and line ends neither adds cells nor rows, and doubts are shown."""
    claim = a_claim("a|b.py", title="one | two\n| three <b>")
    table = findings_table(fold([("r|s", an_answer(claim))], Tree(Path("/nonexistent"), {})))

    assert len(table.splitlines()) == 3
    assert "file missing" in table
    assert "<b>" not in table
    assert "table_open" in tokens(table)
    rows = MarkdownIt("commonmark").enable("table").parse(table)
    assert sum(token.type == "td_open" for token in rows) == 5
