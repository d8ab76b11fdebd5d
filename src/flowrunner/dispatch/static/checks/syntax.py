"""JSON and TOML that their own parsers refuse; templates and test material aside."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.wire.findings import Severity

BROKEN = Rule(
    "syntax-error",
    Severity.MAJOR,
    "correctness",
    "The parser of this format refuses the file, so whoever loads it fails.",
)

_COMMENT_OR_TEXT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_TOML_PLACE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")
_TEMPLATE = ("{{", "{%", "<%")


def find_broken_json(source: Source, _project: Project) -> Iterator[Hit]:
    """Accept comments and trailing commas (many tools do) and one value per line."""
    problem = _json_problem(source.text)
    if problem is None or _json_problem(_without_comments(source.text)) is None:
        return
    if any(_json_problem(line) for line in source.lines if line.strip()):
        yield Hit(BROKEN, problem[0], f"Not valid JSON: {problem[1]}")


def find_broken_toml(source: Source, _project: Project) -> Iterator[Hit]:
    try:
        tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else len(source.lines)
        yield Hit(BROKEN, line, f"Not valid TOML: {_TOML_PLACE.sub('', str(error)).strip()}")
    except RecursionError:
        return


def _json_problem(text: str) -> tuple[int, str] | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno, error.msg
    except (RecursionError, ValueError):
        return None
    return None


def _without_comments(text: str) -> str:
    bare = _COMMENT_OR_TEXT.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)
    return _TRAILING_COMMA.sub("", bare)


def is_broken_on_purpose(source: Source) -> bool:
    """Return whether a file may well be unreadable by intent: test material or a template."""
    names = {part.lower() for part in PurePosixPath(source.path).parts}
    templates = {"templates", "template", "skeleton", "cookiecutter", "_templates", "fixtures"}
    marked = any(mark in source.text for mark in _TEMPLATE) and source.language != "python"
    return source.is_test or marked or bool(names & templates) or "{{" in source.path


def _is(language: str, source: Source) -> bool:
    return (
        source.language == language
        and bool(source.text.strip())
        and not is_broken_on_purpose(source)
    )


JSON = Check("JSON syntax", lambda source: _is("json", source), find_broken_json)
TOML = Check("TOML syntax", lambda source: _is("toml", source), find_broken_toml)
