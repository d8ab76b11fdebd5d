"""A report as a page: Markdown that agents had a hand in, made safe to look at (S10).

The renderer knows no raw HTML: whatever looks like a tag is shown as text. Links lead only to web
addresses, and images are never fetched: a picture's address can carry away what it was asked with.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from flowrunner.wire.runs import ReportBody

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-popups"
)
"""Nothing runs, nothing is fetched: even a hole in the renderer would have nowhere to go."""

_SCHEMES = frozenset({"http", "https", "mailto"})
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{overflow-x:auto;padding:.75rem;background:#80808022}"
    "code{font-family:ui-monospace,monospace;font-size:.9em}"
    "table{border-collapse:collapse}td,th{border:1px solid #80808066;padding:.25rem .5rem}"
    ".note{padding:.5rem .75rem;border-left:.25rem solid #c60}"
    ":root{color-scheme:light dark}"
)


def page_of(report: ReportBody) -> str:
    """Make the whole page."""
    title = html.escape(f"{report.flow}: {report.outcome}")
    note = ""
    if report.partial:
        said = html.escape(f"The run {report.status}: this is what there was to say.")
        note = f'<p class="note">{said}</p>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body>{note}<main>{render(report.markdown)}</main></body></html>"
    )


def render(markdown: str) -> str:
    """Render to HTML that holds no script, no foreign address to fetch, and no raw tag."""
    return _renderer().render(_visible(markdown))


def is_safe(address: str) -> bool:
    """Whether a link may lead there: the web, a mail address, or a place on the page."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return False
    if not parts.scheme:
        return address.startswith("#")
    return parts.scheme.lower() in _SCHEMES


@lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 40})
    made.enable(["table", "strikethrough"])
    # What is refused here stays on the page as the text that it was written as.
    made.validateLink = is_safe  # pyright: ignore[reportAttributeAccessIssue]  # its documented hook
    made.add_render_rule("image", _image)
    made.add_render_rule("link_open", _link)
    return made


def _image(
    _self: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    """Name the picture instead of fetching it."""
    told = html.escape(tokens[index].content or "picture")
    return f"[{told}]"


def _link(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return self.renderToken(tokens, index, options, env)


def _visible(text: str) -> str:
    """Show what would hide or reorder text: control characters and directions (bidi)."""
    return "".join(f"\\u{ord(c):04x}" if c in _HIDING else c for c in text)


_HIDING = frozenset(
    [
        *map(chr, range(32)),
        "\x7f",
        *map(chr, range(0x202A, 0x202F)),
        *map(chr, range(0x2066, 0x206A)),
    ]
) - {"\n", "\t", "\r"}
