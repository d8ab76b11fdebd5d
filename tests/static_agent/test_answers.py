"""What the answers promise: exact quotes, the same bytes each time, and cuts that are marked."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from flowrunner.dispatch.static import agent, clock, lenses, linter
from flowrunner.dispatch.static.agent import Request, review
from flowrunner.dispatch.static.lenses import LENSES, Lens
from flowrunner.dispatch.static.rules.rule import Rule
from flowrunner.dispatch.static.sources import Check, Hit, Project, Source
from flowrunner.evidence.citations import check_citation
from flowrunner.evidence.folding import fold
from flowrunner.evidence.tree import Tree, pin_tree
from flowrunner.wire.findings import Answer, Citation, Severity
from static_agent.running import a_prompt, ask, rules, start
from unit.evidence.projects import a_project, a_repository, commit, git

ROOT = Path(__file__).parents[2]
PACKAGES = ["click", "httpx2", "_pytest"]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with other people's sources, installed here anyway."""
    root = tmp_path_factory.mktemp("foreign")
    git(root, "init", "-q")
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        assert found is not None
        assert found.origin is not None
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(found.origin).parent, root / package, ignore=leave)
    commit(root)
    return root


@pytest.fixture
def every_lens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a persona without a lens look through all of them at once."""
    found = {rule.code: rule for lens in LENSES.values() for rule in lens.rules}
    checks = {check.name: check for lens in LENSES.values() for check in lens.checks}
    everything = Lens("every", tuple(found.values()), tuple(checks.values()))
    monkeypatch.setattr(lenses, "GENERAL", everything)


def inexact(answer: Answer, tree: Tree) -> list[tuple[str, int, str]]:
    return [
        (claim.file, claim.line_start, claim.rule)
        for claim in answer.findings
        if check_citation(claim, tree) is not Citation.EXACT
    ]


@pytest.mark.usefixtures("every_lens")
def test_every_quote_of_other_peoples_code_is_exact(foreign: Path) -> None:
    """F-02: not one of hundreds of findings, by dozens of rules, is misplaced or misquoted."""
    answer = review(Request(foreign, "anybody", per_rule=25))

    assert inexact(answer, pin_tree(foreign)) == []
    assert len(answer.findings) > 100
    assert len(set(rules(answer))) > 20


@pytest.mark.usefixtures("every_lens")
def test_every_quote_of_this_repository_is_exact(tmp_path: Path) -> None:
    """F-02: the first report of a new user holds what it cites (a copy, for others may edit)."""
    leave = shutil.ignore_patterns("__pycache__")
    for folder in ("src", "tests", "docs", "flows"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=leave)
    shutil.copy(ROOT / "README.md", tmp_path)

    answer = ask(tmp_path, "anybody")

    assert inexact(answer, pin_tree(tmp_path)) == []
    assert "src/flowrunner/dispatch/static/agent.py" in answer.reviewed_files


def test_the_same_bytes_give_the_same_answer(foreign: Path, tmp_path: Path) -> None:
    """Two processes, two folders, two moments: one text."""
    twin = tmp_path / "twin"
    shutil.copytree(foreign, twin)

    pages = [f"click/{page.name}" for page in sorted((foreign / "click").glob("*.py"))]

    one = start(foreign, a_prompt(pages), persona="edge-case-explorer")
    two = start(twin, a_prompt(pages[::-1]), persona="edge-case-explorer")

    assert one.stdout == two.stdout
    assert len(one.stdout) > 1000


def test_two_lenses_on_one_place_fold_into_one_finding(tmp_path: Path) -> None:
    """A rule has one category whoever applies it, so that its findings share a fingerprint."""
    root = a_project(tmp_path, {"a.py": "try:\n    f()\nexcept:\n    pass\n"})
    personas = ("edge-case-explorer", "on-call-engineer")

    (finding,) = [
        each
        for each in fold([(name, ask(root, name)) for name in personas], pin_tree(root))
        if each.claim.rule == "E722"
    ]

    assert finding.sources == personas


def test_findings_of_one_rule_are_capped_aloud(tmp_path: Path) -> None:
    """P11: the rest is counted by rule, and the answer says that it is cut."""
    text = "".join(f"def f{n}(x=[]):\n    return x\n" for n in range(30))

    answer = ask(a_project(tmp_path, {"a.py": text}), "behavioural-analyst")

    assert rules(answer) == ["B006"] * 20
    assert answer.truncated
    assert "10 more B006" in answer.summary


def test_all_findings_together_are_capped_aloud(tmp_path: Path) -> None:
    """P11: the wire takes a bounded number; the worst ones stay."""
    lines = "".join(f"def f{n}(x=[]):\n    return x == undefined\n" for n in range(300))
    root = a_project(tmp_path, {"a.py": lines})

    answer = review(Request(root, "behavioural-analyst", per_rule=1000))

    assert len(answer.findings) == agent.MAX_FINDINGS
    assert [c.severity for c in answer.findings][:300] == [Severity.MAJOR] * 300
    assert "200 more B006" in answer.summary


def test_time_that_does_not_suffice_is_told(tmp_path: Path) -> None:
    """P11: what was not reached is named, and the answer says that it is partial."""
    root = a_project(tmp_path, {f"m{n}.py": "x = 1\n" for n in range(40)})

    answer = review(Request(root, "anybody", seconds=0.0))

    assert answer.truncated
    assert "m0.py (out of time)" in answer.summary
    assert "and 20 more" in answer.summary
    assert answer.reviewed_files == ()


def test_a_clock_counts_from_its_making() -> None:
    """Nothing is over before its time."""
    assert not clock.Clock(60).is_over()
    assert clock.Clock(0).is_over()
    assert clock.Clock(0).left() > 0


def a_lens_that(monkeypatch: pytest.MonkeyPatch, change: Path, hit: Hit | None = None) -> None:
    """Let the anybody's lens rewrite *change* while it looks, as a busy project might."""

    def look(source: Source, _project: Project) -> list[Hit]:
        change.write_text("changed = True\n")
        return [hit] if hit and source.path == change.name else []

    lens = Lens("busy", (), (Check("busy", lambda _source: True, look),))
    monkeypatch.setattr(lenses, "GENERAL", lens)


def test_a_file_that_changes_meanwhile_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-02, P11: a finding about bytes that are gone is withdrawn, and its file is told."""
    root = a_project(tmp_path, {"a.py": "x = 1\n", "b.py": "y = 1\n"})
    rule = Rule("any", Severity.MINOR, "correctness", "Because.")
    a_lens_that(monkeypatch, root / "a.py", Hit(rule, 1, "Something"))

    answer = ask(root, "anybody")

    assert answer.findings == ()
    assert answer.truncated
    assert "a.py (changed)" in answer.summary
    assert answer.reviewed_files == ("b.py",)


def test_one_file_that_breaks_ruff_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P11: the batch is halved until the culprit is alone and named."""
    real = linter.find_ruff_bin()
    wrapper = tmp_path / "ruff"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *bad.py*) echo crashed >&2; exit 2;; esac\nexec "{real}" "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setattr(linter, "find_ruff_bin", lambda: str(wrapper))
    names = ["a.py", "bad.py", "c.py", "d.py"]
    holes = dict.fromkeys(names, "import os\nos.system(input())\n")

    answer = ask(a_project(tmp_path / "p", holes), "security-adversary")

    assert [claim.file for claim in answer.findings] == ["a.py", "c.py", "d.py"]
    assert "bad.py (ruff ended with 2: crashed)" in answer.summary
    assert answer.truncated


def test_pictures_are_counted_and_do_not_make_an_answer_partial(tmp_path: Path) -> None:
    """A binary file has no lines: that is no loss."""
    root = a_repository(tmp_path / "p", {"a.png": b"\0", "a.py": "x = 1\n"})

    answer = ask(root, "security-adversary")

    assert not answer.truncated
    assert "1 binary files" in answer.summary


def test_a_summary_stays_within_the_wire(tmp_path: Path) -> None:
    """P11: a thousand missing files are told by number."""
    answer = ask(tmp_path, "anybody", *(f"{'x' * 300}{n}.py" for n in range(1000)))

    assert len(answer.summary) <= 4000
    assert "and 980 more" in answer.summary


def test_files_that_silence_ruff_are_named(tmp_path: Path) -> None:
    """A comment that switches all rules off is respected, and said."""
    text = "# ruff: noqa\nimport os\nos.system(input())\n"

    answer = ask(a_project(tmp_path, {"a.py": text}), "security-adversary")

    assert answer.findings == ()
    assert "Silenced as a whole by a comment to ruff: a.py." in answer.summary
