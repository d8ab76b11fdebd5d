"""Where a page sends its reader: files of the project, and places within them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from flowrunner.evidence.docs.facts import Facts
from flowrunner.evidence.docs.pages import Page, anchor_key
from flowrunner.evidence.docs.statements import Kind, Statement

PageOf = Callable[[str], Page | None]

_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_COMMENT = re.compile(r"<!--.*?-->")
_LINK = re.compile(
    r"!?\[[^\[\]]{0,300}\]\(\s*(<[^<>]{1,500}>|[^\s()<>]{1,500})(?:\s+[\"'][^\n]*)?\)"
)
_REFERENCE = re.compile(r"^ {0,3}\[[^\]^][^\]]*\]:\s+(<[^<>]+>|\S+)")
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[#/{$%~]|.*[*{}|<>…]")
_RST_FILE = re.compile(
    r"^\s*\.\. (?:\|[^|]+\| )?(include|literalinclude|image|figure)::\s+(\S+)\s*$"
)
_RST_LINK = re.compile(r"`[^`<>]*<([^`<>\s]+)>`_")
_REF = re.compile(r":ref:`(?:[^`<]*<)?([^`<>]+)>?`")
_DOC = re.compile(r":doc:`(?:[^`<]*<)?([^`<>\s]+)>?`")
_LINE_MARK = re.compile(r"L(\d+)(?:-L?(\d+))?$")
_BUILT_IN = frozenset({"genindex", "modindex", "search", "py-modindex"})


def read_links(page: Page, facts: Facts, page_of: PageOf) -> Iterator[Statement]:
    """Yield a statement per relative link, with whether its file and its anchor are there."""
    if page.markup == "rst":
        yield from _read_rst(page, facts)
        return
    for number, line in page.prose:
        for target in _targets(_CODE.sub(" ", _COMMENT.sub(" ", line))):
            yield from _read_target(page, target, number, facts, page_of)


def read_references(
    page: Page, labels: frozenset[str], facts: Facts, *, complete: bool
) -> Iterator[Statement]:
    """Yield a statement per `:ref:` of a Sphinx page.

    *labels* are those of all pages; *complete* says whether there can be no others.
    """
    if page.markup != "rst" or facts.has_automatic_labels:
        return
    for number, line in page.prose:
        for name in _REF.findall(line):
            label = str(name).strip().lower()
            if ":" in label or label in _BUILT_IN or label.startswith("!"):
                continue
            known = label in labels or (False if complete else None)
            why = f"No page of the project has the label `{name}`" if known is False else ""
            yield Statement(Kind.ANCHOR, str(name), number, known, why)


def lacks_inclusion(page: Page, facts: Facts) -> bool:
    """Return whether a page takes in a file that is missing, with all that it may define."""
    included = (found for _, line in page.prose if (found := _RST_FILE.match(line)))
    return any(
        found[1] == "include" and not any(map(facts.has, _places(page.path, found[2], facts)))
        for found in included
    )


def _read_target(
    page: Page, target: str, number: int, facts: Facts, page_of: PageOf
) -> Iterator[Statement]:
    path = page.path if target.startswith("#") else _resolve(page.path, target)
    if path is None:
        return
    if path != page.path or not target.startswith("#"):
        there = facts.has(path)
        why = "" if there else f"The link leads to {path}, which does not exist"
        yield Statement(Kind.LINK, path, number, there, why)
        if not there:
            return
    if anchor := unquote(target.partition("#")[2]):
        yield from _read_anchor(path, anchor, number, facts, page_of)


def _read_anchor(
    path: str, anchor: str, number: int, facts: Facts, page_of: PageOf
) -> Iterator[Statement]:
    if found := _LINE_MARK.fullmatch(anchor):
        count = len(facts.text(path).splitlines())
        last = int(found[2] or found[1])
        why = f"The link leads to line {last} of {path}, which has {count} lines"
        yield Statement(Kind.ANCHOR, f"{path}#{anchor}", number, last <= count, why)
        return
    page = page_of(path)
    if page is None or page.markup != "markdown" or not anchor_key(anchor):
        return
    key = anchor_key(anchor)
    # Generators number headings of one name apart: `usage-1`, `usage_2`.
    known = key in page.anchors or re.sub(r"\d+$", "", key) in page.anchors
    why = "" if known else f"{path} has no heading or anchor #{anchor}"
    holds = known or (None if _makes_anchors(page) else False)
    yield Statement(Kind.ANCHOR, f"{path}#{anchor}", number, holds, why)


def _makes_anchors(page: Page) -> bool:
    """Return whether a generator may add anchors that the text does not show."""
    marks = ("{{", "{%", ":::", "--8<--", "eval-rst", "{include}", "::: ")
    return any(mark in line for line in page.lines for mark in marks)


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


def _read_rst(page: Page, facts: Facts) -> Iterator[Statement]:
    for number, line in page.prose:
        if found := _RST_FILE.match(line):
            yield from _included(page, found[2], number, facts)
        for target in _RST_LINK.findall(line):
            path = _resolve(page.path, str(target))
            if path is not None:
                there = facts.has(path)
                why = "" if there else f"The link leads to {path}, which does not exist"
                yield Statement(Kind.LINK, path, number, there, why)
        for name in _DOC.findall(line):
            yield from _document(page, str(name), number, facts)


def _included(page: Page, target: str, number: int, facts: Facts) -> Iterator[Statement]:
    if _ELSEWHERE.match(target) and not target.startswith("/"):
        return
    holds = any(facts.has(place) for place in _places(page.path, target, facts))
    why = "" if holds else f"The page takes in {target}, which does not exist"
    yield Statement(Kind.LINK, target, number, holds, why)


def _document(page: Page, name: str, number: int, facts: Facts) -> Iterator[Statement]:
    if ":" in name:
        return
    places = [
        p for place in _places(page.path, name, facts) for p in (place + ".rst", place + ".md")
    ]
    holds = any(facts.has(place) for place in places)
    why = "" if holds else f"There is no document {name}"
    yield Statement(Kind.LINK, name, number, holds, why)


def _places(page: str, target: str, facts: Facts) -> Iterator[str]:
    """Yield where Sphinx would look: beside the page, or below the folder of its conf.py."""
    if not target.startswith("/"):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
    for path in facts.paths:
        if posixpath.basename(path) == "conf.py":
            yield posixpath.normpath(posixpath.join(posixpath.dirname(path), target.lstrip("/")))
