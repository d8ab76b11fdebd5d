"""A task's key leaves in nothing that a task leaves behind, however it is torn."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.dispatch.acp.recording import Piece, PieceKind
from flowrunner.dispatch.adapters.adapter import Start
from flowrunner.dispatch.scrubbing import (
    PLACEHOLDER,
    SHORTEST,
    ScrubbedEars,
    Scrubber,
    secrets_in,
    secrets_of,
    secrets_within,
)
from flowrunner.dispatch.spawning import AgentCommand
from flowrunner.wire.tasks import TaskError, TaskReport

KEY = 'sk-aab/c+d"efgh-9z'
SCRUBBER = Scrubber([KEY])
LONGER = 40

texts = st.text(alphabet='sk-ab/c+d"9 ', max_size=LONGER)
pieces = st.lists(texts | st.sampled_from([KEY, KEY[:9], KEY[9:]]), max_size=8)


def heard(*told: tuple[PieceKind, str], scrubber: Scrubber = SCRUBBER) -> list[Piece]:
    """What is passed on of the pieces that an agent *told*."""
    passed: list[Piece] = []
    ears = ScrubbedEars(scrubber, passed.append, lambda _piece: None)
    for kind, text in told:
        ears.piece(Piece(kind, text))
    ears.end()
    return passed


@given(pieces)
def test_a_torn_stream_says_what_the_whole_would(told: list[str]) -> None:
    """P11: nothing but the key is different, wherever it is torn; the end is the one exception."""
    whole = "".join(told) + "."
    stream = SCRUBBER.stream()
    out = "".join(stream.feed(piece) for piece in (*told, ".")) + stream.end()
    assert out == whole.replace(KEY, PLACEHOLDER)


@given(st.integers(1, len(KEY) - 1), st.integers(0, len(KEY)))
def test_a_key_that_is_torn_twice(first: int, second: int) -> None:
    """P11: a stream may tear it in any two places."""
    one, two = sorted((first, second))
    told = ["it is ", KEY[:one], KEY[one:two], KEY[two:], "!"]
    stream = SCRUBBER.stream()
    out = "".join(stream.feed(piece) for piece in told) + stream.end()
    assert out == f"it is {PLACEHOLDER}!"


@pytest.mark.parametrize("size", range(1, len(KEY)))
def test_what_comes_between_tears_no_word_and_opens_no_gap(size: int) -> None:
    """P11: a tool's line within a key; no more of it than four characters are ever shown."""
    passed = heard(("text", "it is " + KEY[:size]), ("tool", "running"), ("text", KEY[size:] + "!"))
    spoken = "".join(piece.text for piece in passed if piece.kind == "text")
    assert not any(KEY[at : at + 5] in spoken for at in range(len(KEY) - 4))
    assert spoken.endswith(PLACEHOLDER + "!")


def test_a_word_that_begins_as_a_key_does_is_not_torn() -> None:
    """P11: "files" ends as a key begins; the tool that is used next is told after it."""
    passed = heard(("text", "the files"), ("tool", "running"), ("text", " are read"))
    assert [piece.text for piece in passed] == ["the file", "s", "running", " are read"]


@pytest.mark.parametrize("kind", ["text", "thought", "tool", "denial", "notice"])
def test_every_kind_of_piece(kind: PieceKind) -> None:
    """P8: titles and arguments of tools, too."""
    assert heard((kind, f"cat {KEY}!")) == [Piece(kind, f"cat {PLACEHOLDER}!")]


def test_a_stream_that_ends_within_a_key() -> None:
    """P8: most of a key is one; a letter or two are not."""
    assert heard(("text", f"it is {KEY[:-1]}"))[-1].text == PLACEHOLDER
    assert "".join(piece.text for piece in heard(("text", "files"))) == "files"


@pytest.mark.parametrize(
    "disguised",
    [
        quote(KEY, safe=""),
        json.dumps({"key": KEY}),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(b":" + KEY.encode()).decode(),
        base64.urlsafe_b64encode(b"me:" + KEY.encode()).decode(),
    ],
    ids=["address", "json", "base64", "base64-after-one", "base64-after-three"],
)
def test_forms_that_programs_give_it(disguised: str) -> None:
    """P8: in an address, in JSON, in a header."""
    left = SCRUBBER.text(f"sent {disguised}")
    assert PLACEHOLDER in left
    assert not any(disguised[at : at + 12] in left for at in range(4, len(disguised) - 12))


@pytest.mark.parametrize("size", range(SHORTEST, len(KEY)))
@pytest.mark.parametrize("mark", [" [flowrunner: cut, 9 more characters]", "...", "…", ""])
def test_text_that_was_cut_within_a_key(size: int, mark: str) -> None:
    """P8: what cut a text did not know what it cut."""
    assert SCRUBBER.text(f"cat {KEY[:size]}{mark}") == f"cat {PLACEHOLDER}{mark}"
    assert SCRUBBER.text(f"{KEY[-size:]} was it") == f"{PLACEHOLDER} was it"


def test_stderr_is_scrubbed_byte_by_byte() -> None:
    """P8, P11: characters that are torn as well, and what is no text at all, stay as they are."""
    out: list[bytes] = []
    ears = ScrubbedEars(Scrubber(["schlüssel-für-alles"]), lambda _piece: None, out.append)
    told = "ein schlüssel-für-alles ist äh ".encode() + b"\xff\x00"
    for at in range(len(told)):
        ears.stderr(told[at : at + 1])
    ears.end()
    assert b"".join(out) == f"ein {PLACEHOLDER} ist äh ".encode() + b"\xff\x00"


def test_a_report_keeps_none_in_any_field() -> None:
    """P8, R2-25: the answer, the error and its hint, what was said before, the record's depths."""
    error = TaskError(code="not_authorized", message=f"401 for {KEY}", hint=f"not {KEY}")
    record: dict[str, Any] = {
        "denials": [f"execute: echo {KEY}"],
        "at": {KEY: [1, None, {"deep": KEY}]},
    }
    failed = TaskReport(
        epoch=1, outcome="failed", error=error, partial=f"it is {KEY}", record=record
    )
    done = TaskReport(epoch=1, outcome="completed", output=f"it is {KEY}")

    for report in (failed, done):
        clean = SCRUBBER.report(report)
        assert KEY not in repr(clean)
        assert json.dumps(KEY)[1:-1] not in clean.model_dump_json()
        assert TaskReport.model_validate(clean.model_dump()) == clean
        told = clean.model_dump_json().replace(PLACEHOLDER, json.dumps(KEY)[1:-1])
        assert TaskReport.model_validate_json(told) == report


def test_a_report_without_any_is_the_same() -> None:
    """P11: who has no key, or one that is hardly a word, loses nothing."""
    report = TaskReport(epoch=1, outcome="completed", output="it is all well", record={"n": 1})
    for secrets in ([], [""], ["all"], [KEY]):
        assert Scrubber(secrets).report(report) == report


def test_which_values_are_secrets() -> None:
    """P8: by the names of variables, and what stands in an address."""
    env = {"PATH": "/bin", "X_API_KEY": "a", "TOKEN": "b", "db_password": "c", "LANG": "d"}
    assert list(secrets_of(env)) == ["a", "b", "c"]
    address = "https://me:hidden-word@host/v1?api-version=2026-01-01&api_key=hidden-too"
    assert list(secrets_in(address)) == ["hidden-word", "hidden-too"]
    assert list(secrets_in(None)) == []


def test_a_command_does_not_show_its_environment() -> None:
    """P8: an exception that shows what was to be started shows no key."""
    command = AgentCommand(
        argv=("/bin/true",), env={"A": KEY}, cwd=Path("/"), stdin=b"", output_cap=1
    )
    assert KEY not in repr(command)
    assert KEY not in repr(Start(argv=(), env={"A": KEY}))


def test_secrets_are_found_wherever_settings_hold_them() -> None:
    """P8, F57: an MCP server's login is nobody's business, nor is the word behind "Bearer"."""
    options = {
        "request_limit": 3,
        "mcp": {
            "a": {"url": "http://h", "headers": {"Authorization": "Bearer abcdefgh"}},
            "b": {"oauth": {"client_id": "me", "client_secret": "hushhush"}},
            "c": {"command": "x", "args": ["--plain"], "env": {"API_KEY": "k-12345678"}},
        },
    }

    assert set(secrets_within(options)) == {
        "Bearer abcdefgh",
        "Bearer",
        "abcdefgh",
        "hushhush",
        "k-12345678",
    }
