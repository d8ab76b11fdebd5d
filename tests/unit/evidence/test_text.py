"""Text from reviewers and repositories cannot act on the page that shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flowrunner.evidence.text import code_block, inline, visible

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
