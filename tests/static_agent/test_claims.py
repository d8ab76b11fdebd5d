"""A claim quotes what stands at its place, and never a secret."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.dispatch.static.checks.leaks import LEAKS
from flowrunner.dispatch.static.claims import to_claim
from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Hit, Source, load
from flowrunner.evidence.citations import check_citation, match_quote
from flowrunner.evidence.redaction import find_secrets
from flowrunner.evidence.tree import pin_tree
from flowrunner.wire.findings import Citation, Severity
from static_agent.running import ask, hits
from unit.evidence.projects import a_project

RULE = Rule("any", Severity.MINOR, "correctness", "Because.", in_tests=True)
NOISE = "k3Jd9sLq2WmXz7Rt5Vb1Nc8Yf4Gh6Pa0Qe2S"
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
KEY = f"-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY}\n-----END PRIVATE KEY-----"
TOKENS = {
    "GitHub token": f"ghp_{NOISE}",
    "AWS access key": "AKIA" + "J7QX4M2ZP9LD5TVB",
    "GitLab token": f"glpat-{NOISE[:20]}",
    "Slack token": f"xoxb-8827364512-{NOISE[:24]}",
    "Stripe key": f"sk_live_{NOISE[:24]}",
    "npm token": f"npm_{NOISE}",
    "Google API key": "AIza" + NOISE[:35],
    "Hugging Face token": "hf_" + "kJdsLqWmXzRtVbNcYfGhPaQeSkJdsLqWmX",
}


def a_source(root: Path, text: str, name: str = "a.py") -> Source:
    (source,), _ = load(pin_tree(a_project(root, {name: text}), [name]))
    return source


@pytest.mark.parametrize(("name", "token"), TOKENS.items())
def test_a_committed_token_is_found_and_not_repeated(tmp_path: Path, name: str, token: str) -> None:
    """The finding is critical, its citation exact, and no field of it holds the secret."""
    root = a_project(tmp_path, {"settings.py": f"x = 1\nTOKEN = '{token}'\n"})

    answer = ask(root, "security-adversary")

    (claim,) = answer.findings
    assert (claim.severity, claim.line_start) == (Severity.CRITICAL, 2)
    assert name in claim.title
    assert check_citation(claim, pin_tree(root)) is Citation.EXACT
    assert token[12:] not in answer.model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        f"KEY = '''{KEY}'''\n",
        KEY,
        "key = '" + KEY.replace("\n", "\\n") + "'\n",
        KEY.replace("PRIVATE", "RSA PRIVATE"),
    ],
)
def test_a_private_key_is_found_and_not_repeated(tmp_path: Path, text: str) -> None:
    """In a file of its own, in a string, or on one line with escapes."""
    root = a_project(tmp_path, {"server.pem": text})

    answer = ask(root, "security-adversary")

    (claim,) = answer.findings
    assert check_citation(claim, pin_tree(root)) is Citation.EXACT
    assert BODY[:20] not in answer.model_dump_json()


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN = '-----BEGIN PRIVATE KEY-----'\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + BODY + "\n",
        "-----BEGIN CERTIFICATE-----\n" + BODY + "\n",
        "key = 'AKIAIOSFODNN7EXAMPLE'\n",
        "key = 'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'\n",
        "key = 'ghp_0123456789abcdefghijklmnopqrstuvwxyz'\n",
        f"key = 'ghp_{NOISE}{NOISE}'\n",
        "sk_live_ and AIza are beginnings of keys\n",
    ],
)
def test_imitations_are_left_alone(tmp_path: Path, text: str) -> None:
    """Markers without a body, examples, placeholders and other lengths are no secrets."""
    assert hits(LEAKS, tmp_path, {"a.py": text}) == []


@pytest.mark.parametrize("name", ["tests/test_a.py", "examples/a.py", "README.md"])
def test_a_secret_in_a_test_is_a_note(tmp_path: Path, name: str) -> None:
    """It is most likely made up; that somebody looks is all that is asked."""
    answer = ask(a_project(tmp_path, {name: f"k = 'ghp_{NOISE}'\n"}), "security-adversary")

    assert [claim.severity for claim in answer.findings] == [Severity.NOTE]


def test_no_other_finding_repeats_a_secret(tmp_path: Path) -> None:
    """A rule about the same line quotes only what comes before the secret, or nothing."""
    text = f"import os\nos.system('deploy --token ghp_{NOISE} ' + input())\n"
    root = a_project(tmp_path, {"a.py": text})

    answer = ask(root, "security-adversary")

    assert {claim.rule for claim in answer.findings} == {"S605", "committed-secret"}
    assert NOISE[:8] not in answer.model_dump_json()


def test_a_line_that_is_all_secret_is_withheld_aloud(tmp_path: Path) -> None:
    """Inside a key nothing can be quoted: the finding is counted instead."""
    source = a_source(tmp_path, KEY, "a.pem")

    assert to_claim(source, Hit(RULE, 2, "Something")) is None
    assert to_claim(source, Hit(RULE, 4, "Something")) is None


@pytest.mark.parametrize(
    ("text", "span", "quote", "places"),
    [
        ("a = 1\nb = 2\n", (2, None), "b = 2", (2, 2)),
        ("a = 1\n\n\n", (3, None), "a = 1", (1, 1)),
        ("a = 1\n", (9, None), "a = 1", (1, 1)),
        ("a(\n  1,\n  2,\n  3,\n)\n", (1, 5), "a(\n  1,\n  2,", (1, 3)),
        ("a(\n\n\n  1)\n", (1, 3), "a(", (1, 1)),
        ("a\n", (1, 1), "a", (1, 1)),
    ],
)
def test_the_quote_is_the_text_of_its_lines(
    tmp_path: Path, text: str, span: tuple[int, int | None], quote: str, places: tuple[int, int]
) -> None:
    """At most three lines; a place without text is the last text before it."""
    claim = to_claim(a_source(tmp_path, text), Hit(RULE, span[0], "Something", span[1]))

    assert claim is not None
    assert (claim.quote, (claim.line_start, claim.line_end)) == (quote, places)


def test_an_empty_file_gives_no_claim(tmp_path: Path) -> None:
    """There is nothing to quote."""
    assert to_claim(a_source(tmp_path, "\n \n"), Hit(RULE, 1, "Something")) is None


LINES = st.lists(st.text(alphabet="ab1(' \t\x0c\u2028é", max_size=9), max_size=8)


@given(lines=LINES, line=st.integers(1, 12), end=st.integers(1, 12), at=st.integers(0, 8))
def test_every_claim_is_exact(lines: list[str], line: int, end: int, at: int) -> None:
    """F-02: whatever a tool points at, the citation check agrees; secrets stay out of it."""
    told = (*lines[:at], f"x = 'ghp_{NOISE}' or 1", *lines[at:])
    source = Source("a.py", told, "\n".join(told), "python", *(False, False, False, True))

    claim = to_claim(source, Hit(RULE, line, "Something", end))

    if claim is not None:
        assert match_quote(claim, "a.py", told).citation is Citation.EXACT
        assert NOISE not in claim.quote


def test_titles_are_made_visible(tmp_path: Path) -> None:
    """A name with invisible characters cannot hide in a title, nor break its line."""
    claim = to_claim(a_source(tmp_path, "a = 1\n"), Hit(RULE, 1, "x\u202ey\n" + "z" * 300))

    assert claim is not None
    assert claim.title.startswith("x<U+202E>y zzz")
    assert len(claim.title) == 200


def test_one_secret_per_line_is_enough() -> None:
    """The first one bounds the quote."""
    line = f"a = 'ghp_{NOISE}', 'npm_{NOISE}'"

    assert [(s.name, s.shown) for s in find_secrets((line,))] == [("GitHub token", 9)]
