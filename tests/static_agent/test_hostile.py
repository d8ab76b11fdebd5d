"""A project that does not want to be reviewed changes neither the review nor anything else."""

import os
import stat
from pathlib import Path

import pytest

from flowrunner.dispatch.static.lenses import LENSES
from flowrunner.evidence.citations import check_citation
from flowrunner.evidence.tree import MAX_BYTES, pin_tree
from flowrunner.wire.findings import Citation
from static_agent.running import a_prompt, answered, ask, rules, snapshot, start
from unit.evidence.projects import a_project, a_repository, git

HOLE = "import os\n\nos.system(input())\n"
TRAP = "import pathlib\npathlib.Path(__file__).with_name('canary').touch()\n"
NAMES = ["-dash.py", 'quo"te.py', "line\nend.py", "ünïcode.py", "a b$(touch x).py", "%s{}.py"]


def a_hostile_project(root: Path) -> Path:
    """Return a repository that tries to run, to hide, to mislead and to choke."""
    a_project(root.parent, {"outside/secret.py": HOLE})
    files = dict.fromkeys(NAMES, HOLE)
    silence = '[lint]\nignore = ["ALL"]\nexclude = ["*"]\n[tool.ruff.lint]\nselect = []\n'
    files |= {"ruff.toml": silence, ".ruff.toml": "extend = '/etc/passwd'\n"}
    files |= {"pyproject.toml": "[tool.ruff]\nexclude = ['*']\nforce-exclude = true\n"}
    files |= {f"{name}.py": TRAP for name in ("json", "ruff", "pydantic", "sitecustomize", "ast")}
    files |= {f"{package}/__init__.py": TRAP for package in ("flowrunner", "encodings", "email")}
    a_repository(root, files)
    (root / "link.py").symlink_to(root.parent / "outside/secret.py")
    (root / "loop.py").symlink_to("loop.py")
    (root / "folder").symlink_to(root.parent / "outside")
    (root / "huge.py").write_bytes(b"x = '" + b"a" * 10_000_000 + b"'\n")
    (root / os.fsdecode(b"latin\xe9.py")).write_bytes(HOLE.encode())
    os.mkfifo(root / "pipe.py")
    (root / "deep.py").write_text("x = " + "(" * 5000 + ")" * 5000 + "\n")
    return root


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    return a_hostile_project(tmp_path / "p")


@pytest.mark.parametrize("persona", [*LENSES, "anybody"])
def test_no_lens_writes(hostile: Path, persona: str) -> None:
    """P8: every lens leaves every byte, mode and time as it was."""
    before = snapshot(hostile)

    ask(hostile, persona)

    assert snapshot(hostile) == before


@pytest.mark.parametrize("persona", ["security-adversary", "test-engineer", "anybody"])
def test_nothing_is_written_or_run(hostile: Path, persona: str) -> None:
    """P8: not a byte, mode or time differs afterwards, git's own folder included."""
    before = snapshot(hostile)

    answered(start(hostile, persona=persona))

    assert snapshot(hostile) == before
    assert list(hostile.rglob("canary")) == []
    assert not (hostile.parent / "canary").exists()


def test_the_snapshot_would_notice(hostile: Path) -> None:
    """The proof above can fail: touching one file shows."""
    before = snapshot(hostile)

    os.utime(hostile / "json.py", ns=(1, 1))

    assert snapshot(hostile) != before


def test_its_settings_are_not_obeyed(hostile: Path) -> None:
    """Neither ruff.toml nor pyproject.toml can switch a rule off or exclude a file."""
    answer = answered(start(hostile, persona="security-adversary"))

    assert sorted(claim.file for claim in answer.findings) == sorted(NAMES)
    assert set(rules(answer)) == {"S605"}


def test_what_is_not_read_is_named(hostile: Path) -> None:
    """P11: links that lead out, loops, pipes, huge files and odd names are told, not skipped."""
    answer = answered(start(hostile, persona="security-adversary"))

    assert answer.truncated
    for told in ("link.py (outside_project)", "huge.py (too_large)", "latin\\xe9.py (name_not"):
        assert told in answer.summary
    assert "loop.py" in answer.summary
    assert not {"link.py", "loop.py", "huge.py", "pipe.py"} & set(answer.reviewed_files)


@pytest.mark.parametrize(
    "path", ["../outside/secret.py", "/etc/passwd", "folder/secret.py", "link.py", ".git/config"]
)
def test_a_scope_cannot_lead_outside(hostile: Path, path: str) -> None:
    """What a prompt asks for beyond the project is refused and named."""
    git(hostile, "config", "user.token", "ghp_" + "k3Jd9sLq2WmXz7Rt5Vb1Nc8Yf4Gh6Pa0Qe2S")

    answer = answered(start(hostile, a_prompt([path, "-dash.py"]), persona="security-adversary"))

    assert [claim.file for claim in answer.findings] == ["-dash.py"]
    assert answer.reviewed_files == ("-dash.py",)
    assert f"{path} (outside_project)" in answer.summary


def test_names_from_the_scope_stay_names(hostile: Path) -> None:
    """A dash is no option, a dollar no variable, and a line end no second file."""
    answer = answered(start(hostile, a_prompt(NAMES), persona="security-adversary"))

    assert sorted(answer.reviewed_files) == sorted(NAMES)
    assert not (hostile / "x").exists()


def test_its_environment_is_not_obeyed(hostile: Path) -> None:
    """Variables of ruff and Python that write files or load code do nothing."""
    trap = {
        "PYTHONPATH": str(hostile),
        "PYTHONSTARTUP": str(hostile / "json.py"),
        "RUFF_OUTPUT_FILE": str(hostile / "canary"),
        "RUFF_CACHE_DIR": str(hostile / "cache"),
        "RUFF_CONFIG": str(hostile / "ruff.toml"),
    }
    before = snapshot(hostile)

    answer = answered(start(hostile, persona="security-adversary", env=trap))

    assert len(answer.findings) == len(NAMES)
    assert snapshot(hostile) == before


def test_a_program_in_the_project_is_not_taken_for_a_tool(hostile: Path) -> None:
    """With the project first on the search path its git and its ruff stay unrun."""
    for name in ("git", "ruff", "python"):
        program = hostile / name
        program.write_text(f"#!/bin/sh\ntouch '{hostile}/canary'\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = {"PATH": f"{hostile}:/usr/bin:/bin"}

    answer = answered(start(hostile, persona="security-adversary", env=path))

    assert len(answer.findings) == len(NAMES)
    assert not (hostile / "canary").exists()


def test_a_long_line_is_quoted_by_its_beginning(tmp_path: Path) -> None:
    """A quote stays within the wire's bounds and still checks out."""
    line = "import os; os.system(" + "x" * 5000 + ")"
    root = a_project(tmp_path, {"a.py": line + "\n"})

    (claim,) = ask(root, "security-adversary").findings

    assert len(claim.quote) <= 2000
    assert line.startswith(claim.quote)
    assert check_citation(claim, pin_tree(root)) is Citation.EXACT


def test_a_file_of_the_greatest_size_is_read(tmp_path: Path) -> None:
    """The bound is where it is said to be."""
    filler = "# " + "a" * 97 + "\n"
    text = HOLE + filler * ((MAX_BYTES - len(HOLE)) // len(filler))

    answer = ask(a_project(tmp_path, {"a.py": text}), "security-adversary")

    assert rules(answer) == ["S605"]
