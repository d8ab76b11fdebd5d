"""docs/guarantees.md says nothing that no test shows, names no test that is not there, and quotes right."""

import pytest

from conformance import guarantees

PAGE = guarantees.PAGE.read_text(encoding="utf-8")
MOST_UNSHOWN = 2


def test_the_page_holds_what_it_says() -> None:
    """Each row has its test or says that it has none; promises are complete, numbers as quoted."""
    assert list(guarantees.complaints(PAGE)) == []


def test_few_rows_are_not_shown() -> None:
    """Saying so is honest once or twice; more would be a page of wishes."""
    unshown = [row.number for row in guarantees.rows(PAGE) if row.shown == guarantees.NOT_SHOWN]

    assert len(guarantees.rows(PAGE)) > 50
    assert len(unshown) <= MOST_UNSHOWN


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("| 2 | one of", "| 3 | one of", "rows are numbered"),
        ("| 2 | one of", "| 2 | of | one of", "row 2 has 7 cells"),
        ("- 3: `", "- 3: `chaos/test_cancel.py`, `", None),
        ("- 3: `", "- 303: `", "row 3 names no test, and does not say so"),
        ("- 42: not shown", "- 42: surely", "row 42 names no test, and does not say so"),
        ("| P10 |", "| P13 |", "P10 is not on the page"),
        ("::test_its_time_is_limited`", "::test_its_time`", "there is no test dispatch/"),
        ("test_process.py::test_its_time", "test_proces.py::test_its_time", "there is no test"),
        ("`FLOWRUNNER_POLL_SECONDS` |", "`FLOWRUNNER_POLL` |", "there is no setting"),
        ("_POLL_SECONDS` | 2 |", "_POLL_SECONDS` | 3 |", "FLOWRUNNER_POLL_SECONDS is 2.0, not 3"),
        ("ANSWER_SECONDS` | 40 |", "ANSWER_SECONDS` | 60 |", "ANSWER_SECONDS is 40.0, not 60"),
        ("grace_seconds` | 5 |", "grace_seconds` | 6 |", "grace_seconds is 5.0, not 6"),
    ],
    ids=range(12),
)
def test_what_would_be_wrong_is_noticed(old: str, new: str, complaint: str | None) -> None:
    """Each check bites, or the page above would pass for any reason."""
    assert PAGE.count(old) >= 1, old
    page = PAGE.replace(old, new, 1)

    found = list(guarantees.complaints(page))

    if complaint is None:
        assert found == []
    else:
        assert any(complaint in each for each in found), found
