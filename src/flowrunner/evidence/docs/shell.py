"""Commands that a page tells its reader to type: their program, options, files and targets."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence

from flowrunner.evidence.docs.facts import Facts
from flowrunner.evidence.docs.pages import Page
from flowrunner.evidence.docs.statements import Kind, Statement

_SHELLS = frozenset({"", "sh", "bash", "shell", "console", "zsh", "shell-session", "text"})
_RUNNERS = frozenset({"python", "python3", "bash", "sh", "source", "pytest"})
_MOVES = re.compile(
    r"^\s*(?:\$ )?(?:cd|pushd|git clone|mkdir|touch|cat >|echo .*>|tar|unzip)\b", re.MULTILINE
)
_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)([^`]+)\1(?!`)")
_OPTION = re.compile(r"--[a-z][a-z0-9-]+$")
_COMMAND = re.compile(r"[a-z][a-z0-9-]+$")
_PATH = re.compile(r"[\w./-]+(?:::\S+)?")
_OPAQUE = "|&;<>$*{}\\…"

Typed = tuple[int, list[str], bool]
"""Line, words, and whether it stands in a block of its own."""


def read_commands(page: Page, facts: Facts) -> Iterator[Statement]:
    """Yield what each simple command says of this project."""
    for number, words, is_block in _commands(page):
        if is_block:
            yield from _files(page, number, words, facts)
        yield from _targets(number, words, facts)
        yield from _options(page, number, words, facts)


def _commands(page: Page) -> Iterator[Typed]:
    """Yield commands of blocks that stay in the project's root, and those within sentences."""
    for block in page.blocks:
        if block.language not in _SHELLS or _MOVES.search("\n".join(block.lines)):
            continue
        for number, line in enumerate(block.lines, start=block.start):
            bare = line.strip()
            if (block.language or bare.startswith("$ ") or len(block.lines) <= 40) and (  # noqa: PLR2004
                words := _words(bare.removeprefix("$ "))
            ):
                yield number, words, True
    for number, line in page.prose:
        for _, code in _SPAN.findall(line):
            if words := _words(str(code).strip().removeprefix("$ ")):
                yield number, words, False


def _words(line: str) -> list[str]:
    if any(mark in line for mark in _OPAQUE):
        return []
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    while words and re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]):
        words = words[1:]
    return words[2:] if words[:1] in (["uv"], ["poetry"]) and words[1:2] == ["run"] else words


def _files(page: Page, number: int, words: Sequence[str], facts: Facts) -> Iterator[Statement]:
    """Name only files whose folder exists: other commands are about the reader's own project."""
    for path in _named_files(words):
        folder = path.partition("/")[0]
        near = posixpath.normpath(posixpath.join(posixpath.dirname(page.path), path))
        if "/" in path and facts.has(folder):
            there = facts.has(path) or facts.has(near)
            why = "" if there else f"{path} does not exist"
            yield Statement(Kind.FILE, path, number, there, why)


def _named_files(words: Sequence[str]) -> Iterator[str]:
    command, rest = words[0], words[1:]
    if command.startswith("./"):
        yield posixpath.normpath(command)
    elif command in _RUNNERS:
        path = next((word for word in rest if not word.startswith("-")), "")
        if rest[:1] == [path] and _PATH.fullmatch(path):
            yield posixpath.normpath(path.partition("::")[0])


def _targets(number: int, words: Sequence[str], facts: Facts) -> Iterator[Statement]:
    if words[0] != "make" or any(word.startswith("-") for word in words):
        return
    targets = facts.targets
    if targets is None:
        return
    for wanted in words[1:]:
        if re.fullmatch(r"[a-z][\w.-]*", wanted):
            known = wanted in targets
            why = "" if known else f"`make {wanted}`: there is no such target"
            yield Statement(Kind.TARGET, f"make {wanted}", number, known, why)


def _options(page: Page, number: int, words: Sequence[str], facts: Facts) -> Iterator[Statement]:
    """Look for the options of the project's own programs as words of its source."""
    if words[0] not in facts.programs:
        return
    program = words[0]
    if len(words) > 1 and _COMMAND.fullmatch(words[1]):
        known = _is_word(words[1], facts) or (None if _is_defined(words[1], page) else False)
        why = (
            ""
            if known is not False
            else f"`{program} {words[1]}`: no source has the word {words[1]}"
        )
        yield Statement(Kind.COMMAND, f"{program} {words[1]}", number, known, why)
    for word in words[1:]:
        option = word.partition("=")[0]
        if _OPTION.fullmatch(option) and option not in {"--help", "--version"}:
            known = _is_word(option.removeprefix("--"), facts)
            why = "" if known else f"`{program} {option}`: no source has such an option"
            yield Statement(Kind.OPTION, f"{program} {option}", number, known, why)


def _is_defined(name: str, page: Page) -> bool:
    """Return whether the page itself tells its reader to make a thing of that name."""
    exact, bare = re.escape(name), re.escape(name.replace("-", "_"))
    made = re.compile(rf"[\"']{exact}[\"']|^\s*{exact}\s*=|\b(?:def|class) {bare}\b")
    return any(made.search(line) for line in page.lines)


def _is_word(name: str, facts: Facts) -> bool:
    plain = name.replace("-", "_")
    # `--no-color` may be made from `color` by the parser.
    return plain in facts.words or plain.removeprefix("no_") in facts.words
