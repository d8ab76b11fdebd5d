"""Reports as HTML: agents had a hand in the text, and a browser will read it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.api.pages import POLICY, is_safe, page_of, render
from flowrunner.wire.runs import ReportBody

ALLOWED = frozenset(
    [
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "a",
        "em",
        "strong",
        "s",
        "code",
        "pre",
        "ul",
        "ol",
        "li",
        "blockquote",
        "hr",
        "br",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ]
)
ATTRIBUTES = {"a": {"href", "title", "rel"}, "code": {"class"}, "ol": {"start"}}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x) [y](file:///etc/passwd)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    '[x](https://a.b "\\" onmouseover=alert(1) x=\\"")',
    "![x](https://evil.example/?leak=1)",
    '```html"><script>alert(1)</script>\nx\n```',
    "| <b> |\n|---|\n| <script> |",
    "<svg/onload=alert(1)>",
    "<!-- x --><?php ?><![CDATA[x]]>",
    "a\x1b[31m \u202e b \x00",
    "<a href='https://a.b'>x</a>",
    "[" * 500 + "x" + "](https://a.b)" * 500,
]


class _Tags(HTMLParser):
    """Every tag and attribute that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, "", ""))
        self.found += [(tag, name, value or "") for name, value in attrs]


def complaints(page: str) -> list[tuple[str, str, str]]:
    parser = _Tags()
    parser.feed(page)
    parser.close()
    bad = [each for each in parser.found if each[0] not in ALLOWED]
    for tag, name, value in parser.found:
        if name and name not in ATTRIBUTES.get(tag, set()):
            bad.append((tag, name, value))
        if name == "href" and not is_safe(value):
            bad.append((tag, name, value))
    return bad


@pytest.mark.parametrize("text", HOSTILE, ids=[str(n) for n in range(len(HOSTILE))])
def test_nothing_that_an_agent_writes_runs(text: str) -> None:
    """S10: no tag, no attribute and no address but those of Markdown itself."""
    assert complaints(render(text)) == []
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", render(text))


@given(parts=st.lists(st.sampled_from([*HOSTILE, "\n\n", "- ", "> ", "`", "*", "x"]), max_size=8))
def test_no_mixture_of_them_runs(parts: list[str]) -> None:
    """S10: constructs that meet each other do not open a way either."""
    assert complaints(render("".join(parts))) == []


def test_markdown_is_rendered() -> None:
    """What is safe looks as it was meant: headings, tables, code, links."""
    page = render("# A & B\n\n| x |\n|---|\n| `y` |\n\n[z](https://a.b) ~~n~~ [here](#a)")

    assert "<h1>A &amp; B</h1>" in page
    assert "<td><code>y</code></td>" in page
    assert '<a href="https://a.b" rel="noopener noreferrer nofollow">z</a>' in page
    assert "<s>n</s>" in page
    assert 'href="#a"' in page


def test_a_page_is_whole_and_says_that_it_is_partial() -> None:
    """D2-32: the report of a failed run says so; flow and outcome are texts, not markup."""
    body = ReportBody(
        run_id=UUID(int=7),
        flow="<x>",
        status="failed",
        partial=True,
        outcome="<b>",
        markdown="# Hi",
        data=None,
    )

    page = page_of(body)

    assert page.startswith("<!doctype html>")
    assert "<title>&lt;x&gt;: &lt;b&gt;</title>" in page
    assert "The run failed: this is what there was to say." in page
    assert "<h1>Hi</h1>" in page


def test_the_policy_forbids_what_the_page_does_not_need() -> None:
    """S10: even a hole in the renderer could neither run a script nor fetch anything."""
    assert POLICY.startswith("default-src 'none';")
    assert "script" not in POLICY
    assert "sandbox" in POLICY


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.b/c?d#e", True),
        ("HTTP://a.b", True),
        ("mailto:a@b", True),
        ("#place", True),
        ("javascript:x", False),
        (" javascript:x", False),
        ("/api/v1/runs", False),
        ("//evil.example", False),
        ("data:text/html,x", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_links_lead_to_the_web_only(address: str, *, expected: bool) -> None:
    """S10: nothing of this server, and nothing that a browser would run."""
    assert is_safe(address) is expected
