"""A page of documentation taken apart: its prose, its code blocks, and what can be linked to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath

from flowrunner.evidence.languages import language_of

Numbered = tuple[int, str]

_FENCE = re.compile(r"^(\s*(?:>\s?|[-*+]\s+|\d+\.\s+)*)(`{3,}|~{3,})\s*(.*)$")
_INFO = re.compile(r"\{?\.?([\w+#.-]*)\}?\s*([\w+#.-]*)")
_DIRECTIVES = frozenset({"code", "code-block", "sourcecode", "prompt", "parsed-literal"})
_RST_BLOCK = re.compile(r"^(\s*)\.\. (code-block|code|sourcecode|prompt)::\s*([\w+-]*)")
_RST_OTHER = re.compile(r"^(\s*)\.\. (?!_|\[)(\S.*?)?$")
_RST_PROSE = re.compile(
    r"^\s*\.\. (?:note|warning|tip|hint|important|caution|attention|danger|error|seealso|topic"
    r"|admonition|versionadded|versionchanged|deprecated|sidebar|class|function|method|option"
    r"|program|envvar|confval|setting|rubric|glossary|image|figure|include|literalinclude"
    r"|contents)::"
)
_OPTION = re.compile(r"^\s*:[\w-]+:")
_LITERAL = re.compile(r"::\s*$")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_SETEXT = re.compile(r"^ {0,3}(?:=+|-+)\s*$")
_NAMED = re.compile(r"<\w+[^>]*?\s(?:name|id)\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_BRACED = re.compile(r"\{[^{}]*?#([\w.:-]+)[^{}]*\}")
_LABEL = re.compile(r"^\(([^()\s]+)\)=\s*$")
_RST_LABEL = re.compile(r"^\s*\.\. _(?:`([^`]+)`|([^:]+)):(?:\s|$)")
_RST_LINE = re.compile(r"^([=\-~^\"'`#*+.:_])\1{2,}\s*$")
_RECORDS = re.compile(
    r"change|history|news|release|migrat|upgrad|deprecat|whats.?new|adr|decision|rfc|propos|"
    r"roadmap|todo|design|authors|contributors|license|licence|thanks|credits|notice",
    re.IGNORECASE,
)
_CONVERSATION = re.compile(r"^\s*(?:>>> |\.\.\. |\$ )")


@dataclass(frozen=True, slots=True)
class Block:
    """Code in a page; *start* is the number of its first line, *language* lower case or empty."""

    language: str
    start: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """*is_record*: it tells what was, or will be (a changelog, a decision), not what is."""

    path: str
    markup: str
    lines: tuple[str, ...]
    prose: tuple[Numbered, ...]
    blocks: tuple[Block, ...]
    anchors: frozenset[str]
    labels: frozenset[str]
    is_record: bool


@dataclass(slots=True)
class _Reading:
    """*rest* are lines of comments, front matter and of what some generator will expand."""

    prose: list[Numbered] = field(default_factory=list[Numbered])
    blocks: list[Block] = field(default_factory=list[Block])


def is_page(path: str) -> bool:
    """Return whether a file is documentation in a markup that is read here."""
    return language_of(path) in {"markdown", "rst"}


def read_page(path: str, lines: Sequence[str]) -> Page:
    """Take a page apart; whatever it holds, something is returned."""
    markup = language_of(path)
    reading = _read_rst(lines) if markup == "rst" else _read_markdown(lines)
    anchors = _rst_anchors(lines) if markup == "rst" else _markdown_anchors(reading.prose)
    return Page(
        path=path,
        markup=markup,
        lines=tuple(lines),
        prose=tuple(reading.prose),
        blocks=tuple(reading.blocks),
        anchors=frozenset(anchors),
        labels=frozenset(_labels(lines)),
        is_record=is_record(path),
    )


def is_record(path: str) -> bool:
    """Judge by name: history and plans name what is no more, or not yet."""
    place = PurePosixPath(path)
    return any(_RECORDS.search(part) for part in (*place.parts[:-1], place.stem))


def anchor_key(text: str) -> str:
    """Return what all generators' slugs of one heading have in common: letters and digits."""
    return re.sub(r"[\W_]+", "", text.lower())


def _read_markdown(lines: Sequence[str]) -> _Reading:
    reading = _Reading()
    number, total = _front_matter(lines) + 1, len(lines)
    commented, blank = False, True
    while number <= total:
        line = lines[number - 1]
        if not commented and (fence := _FENCE.match(line)):
            number = _take_fence(lines, number, fence, reading)
            blank = True
            continue
        commented = (commented or "<!--" in line) and "-->" not in line.rpartition("<!--")[2]
        indented = line.startswith(("    ", "\t")) and blank
        if not commented and not indented:
            reading.prose.append((number, line))
        blank = not line.strip() or indented
        number += 1
    return reading


def _front_matter(lines: Sequence[str]) -> int:
    if not lines or lines[0].strip() != "---":
        return 0
    ends = (n for n, line in enumerate(lines[1:60], start=2) if line.strip() in {"---", "..."})
    return next(ends, 0)


def _take_fence(lines: Sequence[str], number: int, fence: re.Match[str], reading: _Reading) -> int:
    """Put the block aside and return the number of the line behind it."""
    mark, info = fence[2], fence[3]
    end = number + 1
    while end <= len(lines) and not _closes(lines[end - 1], mark):
        end += 1
    words = _INFO.match(info)
    first, second = (words[1].lower(), words[2].lower()) if words else ("", "")
    language = second if first in _DIRECTIVES and info.startswith("{") else first
    opaque = info.startswith("{") and first not in _DIRECTIVES and not info.startswith("{.")
    strip = len(fence[1]) if not fence[1].strip() else 0
    body = tuple(
        line[strip:] if not line[:strip].strip() else line for line in lines[number : end - 1]
    )
    skipped = _options_of(body) if info.startswith("{") else 0
    if ">" not in fence[1] and end <= len(lines):
        language = "opaque" if opaque else language
        reading.blocks.append(Block(language, number + 1 + skipped, body[skipped:]))
    return end + 1


def _options_of(body: Sequence[str]) -> int:
    """Return how many lines of a directive's body are its options."""
    return next((n for n, line in enumerate(body) if not _OPTION.match(line)), len(body))


def _closes(line: str, mark: str) -> bool:
    bare = line.strip().removeprefix(">").strip()
    return bare.startswith(mark) and not bare.strip(mark[0])


def _read_rst(lines: Sequence[str]) -> _Reading:
    reading = _Reading()
    number = 1
    while number <= len(lines):
        line = lines[number - 1]
        if found := _RST_BLOCK.match(line):
            end = _below(lines, number, len(found[1]))
            _take_indented(lines, number, end, found[3].lower(), reading)
        elif not _RST_PROSE.match(line) and (found := _RST_OTHER.match(line)):
            end = _below(lines, number, len(found[1]))
        elif _LITERAL.search(line) and not line.lstrip().startswith(".."):
            reading.prose.append((number, line))
            end = _below(lines, number, len(line) - len(line.lstrip()))
            _take_indented(lines, number, end, "", reading)
        else:
            end = number
            if not _CONVERSATION.match(line):
                reading.prose.append((number, line))
        number = end + 1
    return reading


def _below(lines: Sequence[str], number: int, indent: int) -> int:
    """Return the number of the last line that is deeper than *indent*, blank ones between."""
    last = number
    for at in range(number + 1, len(lines) + 1):
        line = lines[at - 1]
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        last = at if line.strip() else last
    return last


def _take_indented(
    lines: Sequence[str], number: int, end: int, language: str, reading: _Reading
) -> None:
    """Put the body of a directive aside, without its options."""
    first = number + 1
    caption = ""
    while first <= end and (not lines[first - 1].strip() or _OPTION.match(lines[first - 1])):
        caption += lines[first - 1] if ":caption:" in lines[first - 1] else ""
        first += 1
    if language.startswith("py") and _names_other_file(caption):
        language = "opaque"
    if first <= end:
        reading.blocks.append(Block(language, first, tuple(lines[first - 1 : end])))


def _names_other_file(caption: str) -> bool:
    """Return whether a caption says that a block is some file, and not one of Python."""
    name = caption.rpartition(":caption:")[2].strip(" `'\"")
    is_file = " " not in name and ("/" in name or "." in name)
    return is_file and not name.endswith((".py", ".pyi"))


def _markdown_anchors(prose: Sequence[Numbered]) -> Iterator[str]:
    before = ""
    for _, line in prose:
        if found := _HEADING.match(line):
            yield from _of_heading(found[1])
        elif _SETEXT.match(line) and before.strip():
            yield from _of_heading(before)
        yield from (anchor_key(name) for name in _NAMED.findall(line))
        yield from (anchor_key(name) for name in _BRACED.findall(line))
        if label := _LABEL.match(line):
            yield anchor_key(label[1])
        before = line


def _of_heading(title: str) -> Iterator[str]:
    plain = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])?", r"\1", title)
    plain = re.sub(r"\{[^{}]*\}\s*$|<[^>]+>|:\w+:", "", plain)
    plain = re.sub(r"&\w+;", "", plain)
    yield anchor_key(plain)
    yield anchor_key(title)


def _rst_anchors(lines: Sequence[str]) -> Iterator[str]:
    for title, line in pairwise(lines):
        if _RST_LINE.match(line) and title.strip():
            yield anchor_key(title)
    yield from (anchor_key(label) for label in _labels(lines))


def _labels(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if found := _RST_LABEL.match(line):
            yield (found[1] or found[2]).strip().lower()
        elif found := _LABEL.match(line):
            yield found[1].lower()
