"""Agents are installed as pinned, outside of any repository; a stand-in for npm shows what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowrunner.core.errors import InvalidInputError, UnavailableError
from flowrunner.dispatch.adapters.__main__ import main
from flowrunner.dispatch.adapters.installed import check, site_of
from flowrunner.dispatch.adapters.installing import by_folder, install
from flowrunner.dispatch.adapters.table import ADAPTERS

CODEX = ADAPTERS["codex"]
OBEDIENT = """
for word in "$@"; do case "$word" in
  -*|install) ;;
  *) name=${word%@*}; version=${word##*@}; mkdir -p "node_modules/$name"
     echo "{\\"version\\": \\"VERSION\\"}" | sed "s/VERSION/$version/" > "node_modules/$name/package.json";;
esac; done
echo "$PWD $*" >> ../asked
"""


def an_npm(tmp_path: Path, script: str) -> str:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
    npm.chmod(0o700)
    return str(npm)


def test_what_is_missing_is_installed_once(tmp_path: Path) -> None:
    """F68: exact versions, together where they belong together; a second time asks for nothing."""
    agents, npm = tmp_path / "agents", an_npm(tmp_path, OBEDIENT)

    first = list(install(agents, [CODEX], npm))
    second = list(install(agents, [CODEX], npm))

    asked = (agents / "asked").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in asked] == [str(agents / "node"), str(agents / "codex")]
    wanted = [f"{package.name}@{package.version}" for package in CODEX.packages]
    assert asked[1].split()[-2:] == wanted
    assert all(line.endswith(" installed") for line in first)
    assert all(line.endswith(" is there") for line in second)
    assert check(CODEX, site_of(agents)) is None


def test_npm_may_fail(tmp_path: Path) -> None:
    """P11: what it said last is in the error."""
    npm = an_npm(tmp_path, "echo no such version >&2; exit 1")

    with pytest.raises(UnavailableError, match="no such version"):
        list(install(tmp_path / "agents", [CODEX], npm))


def test_npm_may_do_something_else(tmp_path: Path) -> None:
    """F68: another version than asked for is no success."""
    script = OBEDIENT.replace("version=${word##*@}", "version=9.9.9")

    with pytest.raises(UnavailableError, match=r"9\.9\.9"):
        list(install(tmp_path / "agents", [CODEX], an_npm(tmp_path, script)))


def test_never_into_a_repository(tmp_path: Path) -> None:
    """P8: half a gigabyte of other people's programs is no part of a project."""
    (tmp_path / ".git").mkdir()

    with pytest.raises(InvalidInputError):
        list(install(tmp_path / "deep" / "agents", [CODEX], "npm"))


def test_folders_are_shared() -> None:
    """One Node.js for all."""
    folders = by_folder(list(ADAPTERS.values()))

    assert len(folders["node"]) == 1
    assert folders.keys() == {"node", "claude-code", *ADAPTERS} - {"api"}


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """F68: it says what it did, and fails with a reason."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    an_npm(tmp_path, OBEDIENT)

    assert main([str(tmp_path / "agents"), "codex"]) == 0
    assert "codex-acp@2.6.0" in capsys.readouterr().out
    assert main([str(tmp_path / "agents"), "nobody"]) == 1
    assert "nobody" in capsys.readouterr().err
    (tmp_path / ".git").mkdir()
    assert main([str(tmp_path / "agents"), "codex"]) == 1
    monkeypatch.setenv("PATH", "/nowhere")
    assert main([str(tmp_path / "agents")]) == 1
    assert "npm" in capsys.readouterr().err
