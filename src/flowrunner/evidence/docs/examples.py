"""Code in pages that its own parser refuses: whoever copies it fails at once."""

from __future__ import annotations

import ast
import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from flowrunner.evidence.docs.pages import Block, Page
from flowrunner.evidence.docs.statements import Kind, Statement
from flowrunner.evidence.modules import parse_quietly

Problem = tuple[int, str] | None
"""Line within the block, from 1, and what its parser says."""

_PROMPT = re.compile(r"^\s*(?:>>> ?|\.\.\. ?|\.\.\.$|In \[\d+\]: ?)")
_MAGIC = re.compile(r"^\s*(?:%|!|\?|\$ |In \[|Out\[)", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{|\{%|<%|\$\{|%\(")
_PLACEHOLDER = re.compile(
    r"<[a-z][\w .-]*>|\.\.\.|…|\[snip\]|^\s*(?:-{3,}|\+\+\+|@@ )", re.MULTILINE
)
_COMMENT_OR_TEXT = re.compile(
    r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|^\s*#[^\n]*', re.DOTALL | re.MULTILINE
)
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_TOML_PLACE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")
_PYTHON = frozenset({"python", "py", "python3"})
_YAML: Any = yaml
# What Python has learnt since the one that runs this: such an example may well be right.
_NEWER = re.compile(
    r"^\s*(?:type \w+.*=|(?:async )?def \w+\[|class \w+\[|except\*? [\w.]+, )|\bt[\"']",
    re.MULTILINE,
)
_FAULTS = (SyntaxError, ValueError, RecursionError, MemoryError)


def read_examples(page: Page) -> Iterator[Statement]:
    """Yield one statement per block whose language has a parser here."""
    for block in page.blocks:
        judge = _JUDGES.get(block.language)
        text = "\n".join(block.lines)
        if judge is None or not text.strip() or _TEMPLATE.search(text):
            continue
        problem = judge(block)
        line = block.start + (problem[0] - 1 if problem else _first_filled(block))
        line = min(max(line, block.start), block.start + len(block.lines) - 1)
        why = f"Not valid {block.language}: {problem[1]}" if problem else ""
        yield Statement(Kind.CODE, block.language, line, problem is None, why)


def _first_filled(block: Block) -> int:
    return next((n for n, line in enumerate(block.lines) if line.strip()), 0)


def python_tree(block: Block) -> ast.Module | None:
    """Return the syntax tree of an example; its lines are those of the block."""
    for text in _variants(block):
        try:
            return parse_quietly(text)
        except _FAULTS:
            continue
    return None


def _variants(block: Block) -> Iterator[str]:
    """Yield the text as it may be meant: as it is, from a prompt, or part of a function."""
    text = textwrap.dedent("\n".join(block.lines))
    if any(_PROMPT.match(line) for line in block.lines):
        yield "\n".join(_typed(text.split("\n")))
        return
    yield text
    yield "async def _():" + "\n " + "\n ".join(text.split("\n"))


def _typed(lines: list[str]) -> Iterator[str]:
    """Keep what was typed at a prompt; what was answered becomes an empty line."""
    for line in lines:
        prompt = _PROMPT.match(line)
        yield line[prompt.end() :] if prompt else ""


def _python(block: Block) -> Problem:
    text = textwrap.dedent("\n".join(block.lines))
    has_prompt = any(_PROMPT.match(line) for line in block.lines)
    if python_tree(block) is not None or _MAGIC.search(text) or has_prompt:
        return None
    if _is_elliptic(text) or _NEWER.search(text):
        return None
    try:
        parse_quietly(text)
    except SyntaxError as error:
        # Quotation marks within those of an f-string are allowed from Python 3.12 on.
        nested = error.msg.startswith("f-string")
        return None if nested else ((error.lineno or 1), error.msg)
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def _is_elliptic(text: str) -> bool:
    """Return whether it parses once what stands for "and so on" is something, or is a fragment."""
    plain = re.sub(r"(?<=[(,\[{])\s*\.{3}\s*(?=[)\],}])", " ", text)
    plain = re.sub(r"^(\s*)(?:\.{3}|…).*$", r"\1pass", plain, flags=re.MULTILINE)
    plain = re.sub(r"<[\w .-]+>|…|\[\.{3}\]", "_", plain)
    # A line that opens a block and leaves it empty, or a decorator without what it decorates.
    forms = [plain.rstrip() + tail for tail in ("", "\n    pass", "\ndef _(): pass")]
    for form in (*forms, f"_({plain}\n)", f"_ = {{{plain}\n}}", f"_ = [{plain}\n]"):
        try:
            parse_quietly(form)
        except _FAULTS:
            continue
        return True
    return False


def _json(block: Block) -> Problem:
    text = "\n".join(block.lines)
    if _PLACEHOLDER.search(text):
        return None
    problem = _json_problem(text)
    bare = _COMMENT_OR_TEXT.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)
    bare = _TRAILING_COMMA.sub("", bare).strip().rstrip(",")
    if problem is None or any(
        _json_problem(form) is None for form in (bare, f"{{{bare}}}", f"[{bare}]")
    ):
        return None
    lines = [line for line in block.lines if line.strip()]
    return problem if any(_json_problem(line) for line in lines) else None


def _json_problem(text: str) -> Problem:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno, error.msg
    except (RecursionError, ValueError):
        return None
    return None


def _toml(block: Block) -> Problem:
    text = "\n".join(block.lines)
    if _PLACEHOLDER.search(text):
        return None
    try:
        tomllib.loads(textwrap.dedent(text))
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else len(block.lines)
        return line, _TOML_PLACE.sub("", str(error)).strip()
    except RecursionError:
        return None
    return None


def _yaml(block: Block) -> Problem:
    text = textwrap.dedent("\n".join(block.lines))
    if _PLACEHOLDER.search(re.sub(r"^---\s*$", "", text, flags=re.MULTILINE)):
        return None
    try:
        list(_YAML.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return line, error.problem or "it cannot be parsed"
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return None


_JUDGES: Mapping[str, Callable[[Block], Problem]] = {
    **dict.fromkeys(_PYTHON, _python),
    "json": _json,
    "toml": _toml,
    "yaml": _yaml,
    "yml": _yaml,
}
