"""Tables on terminals of any width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.cli.tables import Columns, table
from flowrunner.cli.text import cells

PEOPLE = Columns(
    {"name": "NAME", "age": "AGE", "note": "NOTE", "text": "TEXT"},
    numbers=frozenset({"age"}),
    optional=frozenset({"note"}),
    expendable=("age", "text"),
)
ROWS = ({"name": "Ada", "age": "36", "text": "x" * 30}, {"name": "日本", "age": "7"})


def test_numbers_stand_at_the_right_and_empty_columns_nowhere() -> None:
    """A column that nobody filled says nothing; wide characters count twice."""
    assert PEOPLE.lines(ROWS) == ["NAME  AGE  TEXT", f"Ada    36  {'x' * 30}", "日本    7"]


def test_what_can_be_done_without_goes_before_anything_is_cut() -> None:
    """P11: the last column stays readable as long as another can go; a cut is marked."""
    assert PEOPLE.lines(ROWS, 30)[1] == f"Ada   {'x' * 23}…"
    assert PEOPLE.lines(ROWS, 12)[1] == "Ada"


def test_a_plain_table_keeps_all() -> None:
    """Without a width nothing is cut; steering characters are made harmless."""
    assert table([{"a": "\x1b[2J", "b": "2"}], {"a": "A", "b": "B"}) == ["A     B", "\ufffd[2J  2"]


@given(
    texts=st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=5),
    width=st.integers(1, 100),
)
def test_no_line_is_wider(texts: list[tuple[str, str]], width: int) -> None:
    """Whatever rows hold."""
    rows = [{"name": name, "age": "1", "text": text} for name, text in texts]

    assert max(map(cells, PEOPLE.lines(rows, width))) <= width
