"""Untrusted text made harmless for a page: nothing hidden, nothing that reorders or acts."""

from __future__ import annotations

import re
import unicodedata

MAX_CELL = 300
"""Characters in one cell of a table; longer text is cut and marked."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Only what means something where it stands is escaped: a report is read as it is, too.
_MARKUP = re.compile(
    r"""(?P<mark>
        [\\`*\[\]<>|~&@]          # means something anywhere
      | (?<![^\W_])_|_(?![^\W_])   # emphasis, but not inside a word
      | (?<=www)\.|:(?=//)        # what would become a link
      | ^[#+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)]   # a heading, a list, a rule
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_ENTITIES = {"<": "&lt;", "&": "&amp;"}
_FENCES = re.compile(r"`{3,}")
_TICKS = re.compile(r"`+")


def visible(text: str, *, keep_lines: bool = False) -> str:
    """Show control, bidirectional and other invisible characters as `<U+XXXX>`; tabs are blanks."""
    kept = "".join(_shown(char, keep_lines=keep_lines) for char in text)
    return kept if keep_lines else " ".join(kept.split())


def inline(text: str, cap: int = MAX_CELL) -> str:
    """Return Markdown that renders as *text* on one line: no markup, links, mentions or HTML."""
    shown = visible(text)
    cut = f"{shown[: cap - 1]}…" if len(shown) > cap else shown
    return _MARKUP.sub(lambda found: _ENTITIES.get(found[1], f"\\{found[1]}"), cut)


def code_block(text: str) -> str:
    """Return a fenced block that *text* cannot close."""
    shown = visible(text, keep_lines=True)
    longest = max((len(found) for found in _FENCES.findall(shown)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def code_span(text: str, *, in_table: bool = False) -> str:
    """Return *text* as inline code that it cannot end, nor the cell around it."""
    shown = visible(text) or " "
    shown = shown.replace("|", "\\|") if in_table else shown
    ticks = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def _shown(char: str, *, keep_lines: bool) -> str:
    if char == "\n" and keep_lines:
        return char
    if char in "\t\n\r":
        return " "
    return f"<U+{ord(char):04X}>" if unicodedata.category(char) in _HIDDEN else char
