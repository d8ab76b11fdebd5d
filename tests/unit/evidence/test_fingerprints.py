"""A finding keeps its identity while the code around it moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.evidence.fingerprints import fingerprint, occurrence
from flowrunner.evidence.symbols import enclosing_symbol
from flowrunner.wire.findings import Claim
from unit.evidence.projects import a_claim

BODY = [
    "class Shop:",
    "    @property",
    "    def total(self):",
    "        return sum(eval(price) for price in self.prices)",
]
CITED = len(BODY)
ABOVE = st.lists(
    st.sampled_from(
        ["", "# note", "import os", "def other():", "    pass", "X = 1", "class A: ..."]
    )
)


def identity(lines: list[str], line: int, **other: object) -> str:
    claim = a_claim("shop.py", line, lines[line - 1], **other)
    return fingerprint(claim, enclosing_symbol("shop.py", tuple(lines), line))


@given(above=ABOVE, below=ABOVE, indent=st.sampled_from(["", "  ", "\t"]))
def test_lines_that_move_do_not_change_it(above: list[str], below: list[str], indent: str) -> None:
    """F-01: code added above and below, and blanks at the line's end, leave it as it was."""
    moved = [*above, *BODY, *below]
    moved[len(above) + CITED - 1] += indent

    assert identity(moved, len(above) + CITED) == identity(BODY, CITED)


@given(above=st.lists(st.sampled_from(["", "// note", "func other() {", "}"])))
def test_other_languages_survive_moves_too(above: list[str]) -> None:
    """F-01: without a syntax tree the enclosing head is found by its indentation."""
    body = ["func (s *Shop) Total() int {", "\treturn exec(s.price)", "}"]
    lines = (*above, *body)

    assert enclosing_symbol("shop.go", lines, len(above) + 2) == "Total"


@pytest.mark.parametrize(
    "other",
    [a_claim(category="security"), a_claim(rule="other"), a_claim(file="other.py")],
)
def test_what_and_where_make_the_identity(other: Claim) -> None:
    """F-01: category, file and rule each tell two findings apart, within the same symbol."""
    assert fingerprint(a_claim(), "f") != fingerprint(other, "f")
    assert fingerprint(a_claim(), "f") != fingerprint(a_claim(), "g")


def test_the_quote_stands_in_where_there_is_no_symbol() -> None:
    """F-01: at the top of a file the squeezed quote is the place."""
    assert fingerprint(a_claim(quote="x  =\n 1"), None) == fingerprint(a_claim(quote="x = 1"), None)
    assert fingerprint(a_claim(quote="x = 2"), None) != fingerprint(a_claim(quote="x = 1"), None)
    assert fingerprint(a_claim(quote="f"), None) != fingerprint(a_claim(quote="x"), "f")


def test_spelling_does_not_count() -> None:
    """F-01: a rule named `B006`, `b006` or by title only, and `./a.py`, mean the same."""
    plain = fingerprint(a_claim(rule="Magic Number"), "f")

    assert plain == fingerprint(a_claim(rule="magic-number", file="./a.py"), "f")
    assert plain == fingerprint(a_claim(rule="", title="Magic number!"), "f")


def test_places_within_one_symbol_are_numbered() -> None:
    """The first keeps the plain fingerprint, so that a second one does not rename it."""
    assert occurrence("abc", 1) == "abc"
    assert len({occurrence("abc", n) for n in range(1, 5)}) == 4


@pytest.mark.parametrize(
    ("path", "text", "line", "expected"),
    [
        ("a.py", "x = 1", 1, None),
        ("a.py", "def f():\n    def g():\n        pass\n    return g", 3, "f.g"),
        ("a.py", "def f():\n    def g():\n        pass\n    return g", 4, "f"),
        ("a.py", "@deco(\n    1\n)\nclass A:\n    pass", 2, "A"),
        ("a.py", "def f(:\n    broken", 2, "f"),
        ("a.md", "def f():\n    x", 2, None),
        ("a.ts", "export class A {\n  run() {\n    go()\n  }\n}", 3, "A.run"),
        ("a.rs", "impl A {\n    pub async fn run(&self) {\n        go();\n    }\n}", 3, "A.run"),
        ("a.c", "static int *find(char *s)\n{\n    return s;\n}", 3, "find"),
        ("a.java", "class A {\n  int f() {\n    if (x) {\n      g();\n    }\n  }\n}", 4, "A.f"),
        ("a.sh", "build() {\n  make\n}", 2, "build"),
        ("a.py", "x = 1", 9, None),
    ],
)
def test_the_innermost_symbol_is_named(
    path: str, text: str, line: int, expected: str | None
) -> None:
    """Nested functions, decorators, broken syntax and other languages each find their name."""
    assert enclosing_symbol(path, tuple(text.split("\n")), line) == expected


def test_deep_nesting_is_survived() -> None:
    """A file built to exhaust the stack is answered, if only by its indentation."""
    text = "def f():\n    return " + "(" * 3000 + ")" * 3000

    assert enclosing_symbol("a.py", tuple(text.split("\n")), 2) == "f"
