"""Decision records: numbered once, one page, each with the same sections."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

DECISIONS = Path(__file__).resolve().parents[2] / "docs" / "decisions"
RECORDS = sorted(DECISIONS.iterdir())
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives"]
PAGE = 60
NAME = re.compile(r"(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md")


def misnumbered(names: Iterable[str]) -> list[str]:
    """Return names that are no record's, numbers used twice, and holes in the numbering."""
    matches = {name: NAME.fullmatch(name) for name in names}
    strange = [name for name, match in matches.items() if match is None]
    used = Counter(int(match.group(1)) for match in matches.values() if match)
    twice = [f"{number:04} twice" for number, count in used.items() if count > 1]
    holes = [f"{n:04} missing" for n in range(1, max(used, default=0) + 1) if n not in used]
    return strange + twice + holes


def shortcomings(name: str, text: str) -> list[str]:
    """Return what a record lacks."""
    checks = {
        "its number in the title": text.startswith(f"# {int(name[:4])}. "),
        "a status": re.search(r"^- Status: (accepted|superseded by \d{4})$", text, re.MULTILINE),
        "a date": re.search(r"^- Date: \d{4}-\d{2}-\d{2}$", text, re.MULTILINE),
        "the sections in order": re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS,
        "a quotable decision": re.search(r"^## Decision\n\n> \S", text, re.MULTILINE),
        "words in every section": all(
            re.search(rf"^## {s}\n\n\S", text, re.MULTILINE) for s in SECTIONS
        ),
        "brevity": len(text.splitlines()) <= PAGE,
    }
    return [f"{name} lacks {what}" for what, there in checks.items() if not there]


def test_records_are_numbered_once() -> None:
    """A number names one decision for ever, and none is missing."""
    assert len(RECORDS) >= 10
    assert misnumbered(record.name for record in RECORDS) == []


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name[:4])
def test_a_record_is_complete(record: Path) -> None:
    """Status, date, all sections in order, a line to quote, and at most a page."""
    assert shortcomings(record.name, record.read_text(encoding="utf-8")) == []


def test_misnumbering_is_noticed() -> None:
    """A stray name, a number used twice and a hole are each reported."""
    assert misnumbered(["0001-a.md", "notes.txt"]) == ["notes.txt"]
    assert misnumbered(["0001-a.md", "0001-b.md"]) == ["0001 twice"]
    assert misnumbered(["0001-a.md", "0003-b.md"]) == ["0002 missing"]


@pytest.mark.parametrize(
    ("part", "replacement", "lack"),
    [
        ("# 1. ", "# 2. ", "its number in the title"),
        ("accepted", "maybe", "a status"),
        ("- Date: ", "- When: ", "a date"),
        ("## Consequences", "## Results", "the sections in order"),
        ("\n> ", "\n", "a quotable decision"),
        ("\n- ", "\n- \n" * 20 + "- ", "brevity"),
    ],
)
def test_each_shortcoming_is_noticed(part: str, replacement: str, lack: str) -> None:
    """The first record with one part spoilt is refused for that part."""
    first = RECORDS[0]
    text = first.read_text(encoding="utf-8").replace(part, replacement)

    assert f"{first.name} lacks {lack}" in shortcomings(first.name, text)
