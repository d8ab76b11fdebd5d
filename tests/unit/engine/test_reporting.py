"""A report is an author's value: what no reader could be given is refused before it is stored."""

from typing import Any

import pytest

from flowrunner.definitions.context import Report
from flowrunner.engine.reporting import report_body


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"markdown": 3}, "a report's markdown is text, not a int"),
        ({"outcome": 3}, "a report's outcome is a word, not a int"),
        ({"outcome": "\0"}, "1 to 64 printable characters, not '\\x00'"),
        ({"outcome": "\ud800"}, "1 to 64 printable characters, not '\\ud800'"),
        ({"outcome": " "}, "1 to 64 printable characters, not ' '"),
        ({"outcome": "o" * 65}, "1 to 64 printable characters"),
        ({"data": float("nan")}, "not JSON compliant"),
        ({"data": object()}, "a object cannot be in a report's data"),
        ({"sarif": "no"}, "a report's sarif is an object, not a str"),
    ],
    ids=["markdown", "number", "nul", "half", "blank", "long", "nan", "object", "sarif"],
)
def test_what_cannot_be_stored_or_read_fails_the_report(
    options: dict[str, Any], message: str
) -> None:
    """P11, D2-05: an outcome with a NUL would be a commit that the database refuses for ever."""
    with pytest.raises((TypeError, ValueError)) as caught:
        report_body(Report(**{"markdown": "", **options}))

    assert message in str(caught.value)


def test_a_report_keeps_what_it_was_given() -> None:
    """P11: text is a report as well, and what PostgreSQL refuses in it is replaced."""
    body, outcome = report_body("a\0b")

    assert outcome == "ok"
    assert '"markdown": "a\ufffdb"' in body.decode()
