"""What a log line may hold, for people and for machines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Generator

import pytest
import structlog

from flowrunner import logs


@pytest.fixture
def kept() -> Generator[None]:
    """Give logging back as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def lines(
    style: logs.Style, level: str = "info"
) -> tuple[io.StringIO, structlog.stdlib.BoundLogger]:
    stream = io.StringIO()
    logs.configure(level, stream=stream, style=style)
    return stream, structlog.stdlib.get_logger()


@pytest.mark.usefixtures("kept")
def test_machines_get_one_object_per_line() -> None:
    """JSON, whatever the text holds; what other libraries log comes the same way."""
    stream, log = lines("json")

    log.info("step.completed", step="a", note="two\nlines \x1b[2J \u202e")
    logging.getLogger("elsewhere").warning("watch %s", "out")

    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (first["event"], first["level"], first["step"]) == ("step.completed", "info", "a")
    assert first["note"] == "two\nlines \ufffd[2J \ufffd"
    assert (second["event"], second["level"]) == ("watch out", "warning")


@pytest.mark.usefixtures("kept")
def test_people_get_words() -> None:
    """The console's line has no colour codes that were not asked for, and steers nothing."""
    stream, log = lines("console")

    log.info("step.completed", step="\x1b[2Ja")

    assert "step.completed" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.usefixtures("kept")
def test_bodies_and_secrets_are_only_counted() -> None:
    """Prompts, outputs and tokens never reach a log, whoever passes them by mistake."""
    stream, log = lines("json")

    passed_by_mistake = {"prompt": "find the bug", "token": "hunter2", "output": ["bug"]}
    log.info("task.started", **passed_by_mistake)

    assert "bug" not in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
    assert json.loads(stream.getvalue())["prompt"] == "<12 characters>"


@pytest.mark.usefixtures("kept")
def test_long_values_are_cut_with_a_mark() -> None:
    """P11: a line that is cut says by how much."""
    stream, log = lines("json")

    log.info("task.ended", error="x" * (logs.MOST_CHARACTERS + 5), nested={"deep": ["y" * 9000]})

    told = json.loads(stream.getvalue())
    assert told["error"].endswith("… [cut, 5 more characters]")
    assert told["nested"]["deep"][0].endswith("… [cut, 1000 more characters]")


@pytest.mark.usefixtures("kept")
def test_the_level_is_kept() -> None:
    """Below the level nothing is said, and libraries say less than we do."""
    stream, log = lines("json", "info")

    log.debug("quiet")
    logging.getLogger("uvicorn.error").info("Started")

    assert stream.getvalue() == ""


@pytest.mark.usefixtures("kept")
def test_an_exception_is_told_whole() -> None:
    """A failure's story is in the line, harmless and on one line for machines."""
    stream, log = lines("json")

    try:
        int("nasty \x1b[2J")
    except ValueError:
        log.exception("request.failed", about="\x1b")

    told = json.loads(stream.getvalue())
    assert "ValueError: invalid literal" in told["exception"]
    assert told["about"] == "\ufffd"
