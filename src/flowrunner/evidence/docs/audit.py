"""All that code can say about a set of pages; the same tree gives the same statements."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from flowrunner.evidence.docs.examples import read_examples
from flowrunner.evidence.docs.facts import Facts, table_at
from flowrunner.evidence.docs.links import lacks_inclusion, read_links, read_references
from flowrunner.evidence.docs.names import read_imports, read_names
from flowrunner.evidence.docs.pages import Page, is_page, read_page
from flowrunner.evidence.docs.shell import read_commands
from flowrunner.evidence.docs.statements import Kind, Statement
from flowrunner.evidence.listing import list_files
from flowrunner.evidence.tree import split_lines

_NEEDS_PYTHON = re.compile(
    r"(?:requir|need|support|runs?\b|works?\b|tested|with\b|prerequisite)[^.]{0,60}?\bPython\s*(?:>=|≥)?\s*(3\.\d+)(?:\.\d+)?\s*(?:\+|or\s+(?:newer|later|higher|above|greater)"
    r"|and\s+(?:newer|later|above|higher|up))",
    re.IGNORECASE,
)
_SPECIFIER = re.compile(r">=\s*(3\.\d+)")


class Audit:
    """Pages of one tree, each read at most once."""

    def __init__(self, root: Path, paths: Sequence[str] | None = None) -> None:
        self.facts = Facts(root, list_files(root).paths if paths is None else tuple(paths))
        self._page_of = cache(self._read)
        self._labels = cache(self._find_labels)
        self.told = cache(self._tell)

    def page(self, path: str) -> Page | None:
        """Return a page of the tree, None if it is none."""
        return self._page_of(path)

    def _tell(self, path: str) -> tuple[Statement, ...]:
        page = self._page_of(path)
        return () if page is None else tuple(self.statements(page))

    def statements(self, page: Page) -> Iterator[Statement]:
        """Yield what the page says and whether it is so, without repeats.

        What is no more, or not yet, is not held against a page that tells of other times: of a
        changelog only its links are judged.
        """
        seen: set[tuple[Kind, str, int]] = set()
        for found in self._all(page):
            key = (found.kind, found.subject, found.line)
            if key not in seen:
                seen.add(key)
                yield found

    def _all(self, page: Page) -> Iterator[Statement]:
        yield from read_links(page, self.facts, self._page_of)
        labels, complete = self._labels()
        yield from read_references(page, labels, self.facts, complete=complete)
        if page.is_record:
            return
        yield from read_commands(page, self.facts)
        yield from read_names(page, self.facts)
        yield from read_imports(page, self.facts)
        yield from read_examples(page)
        yield from _read_versions(page, self.facts)

    def _read(self, path: str) -> Page | None:
        if not is_page(path) or not self.facts.has(path):
            return None
        return read_page(path, split_lines(self.facts.text(path)))

    def _find_labels(self) -> tuple[frozenset[str], bool]:
        found = (self._page_of(path) for path in self.facts.paths if is_page(path))
        pages = [page for page in found if page is not None]
        complete = not any(lacks_inclusion(page, self.facts) for page in pages)
        return frozenset(label for page in pages for label in page.labels), complete


def _read_versions(page: Page, facts: Facts) -> Iterator[Statement]:
    declared = table_at(facts.project_table, "project").get("requires-python")
    found = _SPECIFIER.search(declared) if isinstance(declared, str) else None
    for number, line in page.prose if found else ():
        for version in _NEEDS_PYTHON.findall(line):
            holds = found is not None and found[1] == version
            why = "" if holds else f"pyproject.toml requires Python {declared}"
            yield Statement(Kind.VERSION, f"Python {version}", number, holds, why)
