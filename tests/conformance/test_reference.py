"""The reference pages are what the program prints."""

from __future__ import annotations

import pytest

from conformance.reference import DOCS, MEANINGS, PAGES
from flowrunner.cli.exits import Exit


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_program_prints(name: str) -> None:
    """A command, option, route or status that changes changes its page: run `make conformance`."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_exit_code_has_a_meaning() -> None:
    """A code without words would be a code that nobody can act on."""
    assert set(MEANINGS) == set(Exit)
