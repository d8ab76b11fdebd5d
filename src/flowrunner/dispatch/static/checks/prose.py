"""Markdown that points at files, scripts or make targets that are not there."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.wire.findings import Severity

LINK = Rule(
    "broken-link",
    Severity.MINOR,
    "documentation",
    "The reader is sent to a file that does not exist.",
)
COMMAND = Rule(
    "missing-file-in-command",
    Severity.NOTE,
    "documentation",
    "Who copies this command gets an error: the file that it names does not exist.",
)
TARGET = Rule(
    "missing-make-target",
    Severity.MINOR,
    "documentation",
    "Who copies this command gets an error: the Makefile has no such target.",
)

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([\w+-]*)")
_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_COMMENT = re.compile(r"<!--.*?-->")
_LINK = re.compile(
    r"!?\[[^\[\]]{0,300}\]\(\s*(<[^<>]{1,500}>|[^\s()<>]{1,500})(?:\s+[\"'][^\n]*)?\)"
)
_REFERENCE = re.compile(r"^ {0,3}\[[^\]^][^\]]*\]:\s+(<[^<>]+>|\S+)")
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[#/{$%~]|.*[*{}|<>…]")
_SHELLS = frozenset({"", "sh", "bash", "shell", "console", "zsh", "shell-session"})
_RUNNERS = frozenset({"python", "python3", "bash", "sh", "source", "pytest"})
_MOVES = re.compile(
    r"^\s*(?:\$ )?(?:cd|pushd|git clone|mkdir|touch|cat >|echo .*>)\b", re.MULTILINE
)
_MAKE_TARGET = re.compile(r"^([^\s#:=][^#:=]*):(?!=)", re.MULTILINE)
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")


def find_broken_links(source: Source, project: Project) -> Iterator[Hit]:
    """Check relative targets with a suffix: others may be addresses of a site's generator."""
    for number, line in _prose_lines(source):
        for target in _targets(line):
            path = _resolve(source.path, target)
            if path is not None and not project.has(path):
                yield Hit(LINK, number, f"The link leads to {path}, which does not exist")


def find_missing_files(source: Source, project: Project) -> Iterator[Hit]:
    """Name only files whose folder exists: other commands are about the reader's own project."""
    for number, words in _commands(source):
        for path in _named_files(words):
            folder = path.partition("/")[0]
            near = posixpath.normpath(posixpath.join(posixpath.dirname(source.path), path))
            if "/" in path and project.has(folder) and not (project.has(path) or project.has(near)):
                yield Hit(COMMAND, number, f"{path} does not exist")


def find_missing_targets(source: Source, project: Project) -> Iterator[Hit]:
    """Stay silent if the Makefile includes others or has patterns."""
    text = next((text for name in _MAKEFILES if (text := project.read(name))), "")
    if not text or "%" in text or re.search(r"^\s*-?s?include\b", text, re.MULTILINE):
        return
    targets = {word for found in _MAKE_TARGET.findall(text) for word in str(found).split()}
    if any("$" in target for target in targets):
        return
    for number, words in _commands(source):
        if words[0] != "make" or any(word.startswith("-") for word in words):
            continue
        for wanted in words[1:]:
            if re.fullmatch(r"[a-z][\w.-]*", wanted) and wanted not in targets:
                yield Hit(TARGET, number, f"`make {wanted}`: there is no such target")


def _prose_lines(source: Source) -> Iterator[tuple[int, str]]:
    mark, commented = "", False
    for number, line in enumerate(source.lines, start=1):
        if fence := _FENCE.match(line):
            if not mark or (fence[1].startswith(mark) and not fence[2]):
                mark = "" if mark else fence[1]
            continue
        if mark:
            continue
        text = _COMMENT.sub(" ", line)
        commented = commented or "<!--" in text
        if not commented:
            yield number, _CODE.sub(" ", text)
        commented = commented and "-->" not in text


def _targets(line: str) -> Iterator[str]:
    found = [match[1] for match in _LINK.finditer(line)]
    if reference := _REFERENCE.match(line):
        found.append(reference[1])
    yield from (target.strip("<>") for target in found)


def _resolve(page: str, target: str) -> str | None:
    """Return the path inside the project that a link names, None if it names none."""
    plain = unquote(target.partition("#")[0].partition("?")[0])
    if not plain or _ELSEWHERE.match(target) or plain.endswith((".html", ".htm", "/")):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), plain))
    named = "." in posixpath.basename(path).lstrip(".")
    return path if named and not path.startswith("..") and path.isprintable() else None


def _commands(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, words) of simple commands in shell fences that stay in the project's root."""
    for start, block in _shell_blocks(source):
        if _MOVES.search("\n".join(block)):
            continue
        for number, line in enumerate(block, start=start):
            try:
                words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            except ValueError:
                continue
            if words and not any(mark in line for mark in "|&;<>$*{}\\"):
                yield number, words


def _shell_blocks(source: Source) -> Iterator[tuple[int, Sequence[str]]]:
    mark, start, shell = "", 0, False
    for number, line in enumerate(source.lines, start=1):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if not mark:
            mark, start, shell = fence[1], number + 1, fence[2].lower() in _SHELLS
        elif fence[1].startswith(mark) and not fence[2]:
            if shell:
                yield start, source.lines[start - 1 : number - 1]
            mark = ""


def _named_files(words: Sequence[str]) -> Iterator[str]:
    command, rest = words[0], words[1:]
    if command.startswith("./"):
        yield posixpath.normpath(command)
    elif command in _RUNNERS:
        path = next((word for word in rest if not word.startswith("-")), "")
        if rest[:1] == [path] and re.fullmatch(r"[\w./-]+(?:::\S+)?", path):
            yield posixpath.normpath(path.partition("::")[0])


def _is_page(source: Source) -> bool:
    return source.language == "markdown" and not source.is_test and not source.is_generated


LINKS = Check("links", _is_page, find_broken_links)
COMMANDS = Check("commands in documents", _is_page, find_missing_files)
TARGETS = Check("make targets in documents", _is_page, find_missing_targets)
