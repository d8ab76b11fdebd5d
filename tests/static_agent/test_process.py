"""The agent as a dispatcher meets it: a prompt in, one JSON object out, or a loud failure."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowrunner.dispatch.static import linter
from flowrunner.wire.findings import Severity
from static_agent.running import SCRUBBED, a_prompt, answered, ask, rules, start
from unit.evidence.projects import a_project, a_repository

HOLE = "import os\n\n\ndef show(name):\n    os.system('cat ' + name)\n"


def test_it_finds_what_is_there_and_says_that_no_model_was_asked(tmp_path: Path) -> None:
    """The answer fits the wire, cites its place, and cannot be taken for a model's."""
    root = a_repository(tmp_path / "p", {"a.py": HOLE, "b.py": "x = 1\n"})

    answer = answered(start(root, a_prompt(["a.py", "b.py"]), persona="security-adversary"))

    (claim,) = answer.findings
    assert (claim.file, claim.line_start, claim.rule) == ("a.py", 5, "S605")
    assert (claim.severity, claim.category) == (Severity.MAJOR, "security")
    assert claim.quote == "    os.system('cat ' + name)"
    assert answer.reviewed_files == ("a.py", "b.py")
    assert (answer.model_asked, answer.truncated) == (False, False)
    assert "No model was asked" in answer.summary


def test_the_persona_chooses_the_lens(tmp_path: Path) -> None:
    """The same file is another thing to other eyes; an argument wins over the variable."""
    root = a_project(tmp_path, {"a.py": HOLE + "\n\ndef add(x, to=[]):\n    to.append(x)\n"})

    seen = {
        name: set(rules(answered(start(root, persona=name))))
        for name in ("security-adversary", "behavioural-analyst", "concurrency-analyst")
    }
    other = answered(start(root, persona="newcomer", args=["--persona", "behavioural-analyst"]))

    assert seen == {
        "security-adversary": {"S605"},
        "behavioural-analyst": {"B006"},
        "concurrency-analyst": set(),
    }
    assert set(rules(other)) == {"B006"}


def test_an_unknown_persona_gets_the_general_lens_and_is_told(tmp_path: Path) -> None:
    """A project's own persona still gets what is wrong whoever looks."""
    root = a_project(tmp_path, {"a.py": "def f(:\n"})

    answer = answered(start(root, persona="weather-frog"))

    assert rules(answer) == ["syntax-error"]
    assert "no lens for weather-frog" in answer.summary


def test_a_scope_that_is_not_understood_ends_loudly(tmp_path: Path) -> None:
    """P9: status 2, the reason on stderr, and nothing on stdout that could be parsed."""
    done = start(a_project(tmp_path, {"a.py": HOLE}), "<<scope abcdef>>\n{")

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"scope-without-end" in done.stderr


def test_a_broken_tool_ends_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P9: if ruff judges no file there is no answer, rather than a clean one."""
    broken = tmp_path / "ruff"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 2\n")
    broken.chmod(0o755)
    monkeypatch.setattr(linter, "find_ruff_bin", lambda: str(broken))
    root = a_project(tmp_path / "p", {"a.py": HOLE})

    with pytest.raises(linter.StaticAgentError, match="out of order"):
        ask(root, "security-adversary")


@pytest.mark.parametrize("flags", [[], ["-I"], ["-B"]])
def test_started_by_hand_it_leaves_the_project_off_the_import_path(
    tmp_path: Path, flags: list[str]
) -> None:
    """`python -m` puts the working folder first; the agent starts again without it, once."""
    trap = "open('canary', 'w').close()\nraise SystemExit(9)\n"
    root = a_project(tmp_path, {"a.py": HOLE, "json.py": trap, "argparse.py": trap})
    persona = ["--persona", "security-adversary"]
    command = [sys.executable, *flags, "-m", "flowrunner.dispatch.static", *persona]

    done = subprocess.run(
        command, cwd=root, env=SCRUBBED, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )

    assert rules(answered(done)) == ["S605"]
    assert not (root / "canary").exists()


def test_the_whole_project_is_looked_at_without_a_scope(tmp_path: Path) -> None:
    """Tracked and new files, ignored ones not."""
    root = a_repository(tmp_path / "p", {"a.py": HOLE, ".gitignore": "ignored.py\n"})
    a_project(root, {"new.py": HOLE, "ignored.py": HOLE})

    answer = answered(start(root, persona="security-adversary"))

    assert [claim.file for claim in answer.findings] == ["a.py", "new.py"]


@pytest.mark.parametrize("persona", ["security-adversary", "behavioural-analyst"])
def test_this_repository_takes_seconds(persona: str) -> None:
    """The first thing a new user sees must not be a wait: two cores, four times what it takes."""
    begun = time.monotonic()

    answered(start(Path(__file__).parents[2], persona=persona))

    assert time.monotonic() - begun < 20
