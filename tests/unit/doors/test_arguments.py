"""What may follow `run FLOW`."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flowrunner.cli.arguments import Given, read_arguments, read_labels
from flowrunner.cli.exits import CommandError, Exit
from flowrunner.cli.times import parse_since

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user pipes in."""
    piped = SimpleNamespace(buffer=io.BytesIO(b'{"piped": true}'))
    monkeypatch.setattr("flowrunner.cli.arguments.sys", SimpleNamespace(stdin=piped))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), Given()),
        (("a=1", "b=x=y", "c="), Given({"a": "1", "b": "x=y", "c": ""})),
        (("a:=1", 'b:={"c": [true]}'), Given({"a": 1, "b": {"c": [True]}})),
        (("medium",), Given({}, "medium")),
        (("band=large", "a=1"), Given({"a": "1"}, "large")),
        (("a.b-c_d=1",), Given({"a.b-c_d": "1"})),
        (("a=two\nlines",), Given({"a": "two\nlines"})),
    ],
)
def test_words_become_an_input(words: tuple[str, ...], expected: Given) -> None:
    """`=` is text, `:=` is JSON, a bare word is the band (D2-30)."""
    assert read_arguments(words) == expected


def test_values_come_from_files(tmp_path: Path) -> None:
    """`@` names a file: as text, or as JSON; --input is where the rest comes from."""
    text, values = tmp_path / "text", tmp_path / "values.json"
    text.write_text("several\nlines\n", encoding="utf-8")
    values.write_text('{"x": 1, "y": 2}', encoding="utf-8")

    given = read_arguments([f"a=@{text}", f"b:=@{values}", "y=3"], str(values))

    assert given.input == {"x": 1, "y": "3", "a": "several\nlines\n", "b": {"x": 1, "y": 2}}


@pytest.mark.usefixtures("stdin")
@pytest.mark.parametrize(
    ("words", "file", "expected"),
    [
        (("a=-",), None, {"a": '{"piped": true}'}),
        (("a:=-",), None, {"a": {"piped": True}}),
        ((), "-", {"piped": True}),
    ],
)
def test_values_come_from_stdin(
    words: tuple[str, ...], file: str | None, expected: dict[str, Any]
) -> None:
    """`-` reads what is piped in."""
    assert read_arguments(words, file).input == expected


@pytest.mark.usefixtures("stdin")
@pytest.mark.parametrize(
    ("words", "file", "problems"),
    [
        (("a=1", "a=2", "=x", "B!"), None, 3),
        (("a:=nope", "b:={"), None, 2),
        (("small", "large"), None, 1),
        (("a=-", "b=-"), None, 1),
        (("a=@/nowhere/at/all",), None, 1),
        (("a=\udcff",), None, 1),
        ((), "/nowhere/at/all", 2),
    ],
)
def test_everything_wrong_is_told_at_once(
    words: tuple[str, ...], file: str | None, problems: int
) -> None:
    """A usage error lists all that cannot be read, and nothing is launched."""
    with pytest.raises(CommandError) as refused:
        read_arguments(words, file)

    assert (refused.value.exit_code, len(refused.value.problems)) == (Exit.USAGE, problems)


def test_an_input_file_is_an_object(tmp_path: Path) -> None:
    """A list is no input."""
    file = tmp_path / "list.json"
    file.write_text("[1]", encoding="utf-8")

    with pytest.raises(CommandError):
        read_arguments((), str(file))


def test_labels_are_pairs() -> None:
    """NAME=VALUE, with any further `=` in the value."""
    assert read_labels(["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    with pytest.raises(CommandError):
        read_labels(["a"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-11-19T08:00+00:00", datetime(2026, 11, 19, 8, 0, tzinfo=UTC)),
    ],
)
def test_since_is_a_time_or_an_age(text: str, expected: datetime) -> None:
    """`--since` takes what people say."""
    assert parse_since(text, NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "5x", "999999d", ""])
def test_since_is_nothing_else(text: str) -> None:
    """What is no time is a usage error with examples."""
    with pytest.raises(CommandError) as refused:
        parse_since(text, NOW)

    assert refused.value.hint is not None
