"""How each agent is started: what it is told, what it is not, and what must be installed."""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch.tasks import AROUND, a_room, a_task
from flowrunner.dispatch.acp.recording import Recorder
from flowrunner.dispatch.adapters.adapter import NODE, Endpoint, Extra, Package, Start
from flowrunner.dispatch.adapters.installed import check, installed_version, site_of
from flowrunner.dispatch.adapters.launching import (
    Listeners,
    Place,
    Plan,
    command_of,
    converse,
)
from flowrunner.dispatch.adapters.table import ADAPTERS, packages_of
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.wire.tasks import TaskError

KEY = "sk-secret"
ENDPOINT = Endpoint('m"odel', KEY, "http://127.0.0.1:9/v1")
NAMES = sorted(ADAPTERS)
NOWHERE = site_of(Path("/nowhere"))


def start_of(name: str, endpoint: Endpoint = ENDPOINT) -> Start:
    return ADAPTERS[name].start(NOWHERE, endpoint)


def write_packages(agents: Path, *packages: Package) -> None:
    for package in packages:
        folder = package.at(agents)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(
            json.dumps({"version": package.version}), encoding="utf-8"
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_key_is_in_one_variable_and_nowhere_else(name: str) -> None:
    """P8: neither in arguments, which all of the machine can read, nor in a file."""
    start = start_of(name)

    assert [value for value in start.env.values() if KEY in value] == [KEY]
    assert KEY not in "".join(start.argv)
    assert KEY not in "".join(start.home.values())
    assert KEY not in repr(ENDPOINT)


@pytest.mark.parametrize("name", NAMES)
def test_no_prompt_is_an_argument(name: str) -> None:
    """P11: arguments end at 128 kB; and every program is begun by its full path."""
    start = start_of(name)

    assert start.argv[0].startswith(sys.executable if name == "api" else "/nowhere/")
    assert all(len(word) < 200 for word in start.argv)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("qwen", ("--acp", "--approval-mode plan", "--safe-mode")),
        ("gemini", ("--acp", "--skip-trust", "--admin-policy {HOME}/read-only.toml")),
        ("copilot", ("--acp", "--available-tools=view,grep,glob")),
        ("opencode", ("acp",)),
    ],
)
def test_its_own_mode_is_read_only(name: str, words: tuple[str, ...]) -> None:
    """P8, F54: beside our wall, each is asked to read only, and a project's settings are not read."""
    line = " ".join(start_of(name).argv)

    assert all(word in line for word in words)


def test_modes_that_are_asked_for() -> None:
    """P8, F54: those that have no argument for it are asked once the session is open."""
    modes = {name: start_of(name).mode for name in NAMES}

    assert modes == {
        "api": None,
        "claude": "plan",
        "codex": "read-only",
        "copilot": None,
        "gemini": "plan",
        "opencode": "plan",
        "qwen": None,
    }
    options = start_of("claude").meta["claudeCode"]["options"]
    assert options["settingSources"] == ["user"]
    assert options["strictMcpConfig"] is True
    assert options["tools"] == ["Read", "Glob", "Grep"]


@pytest.mark.parametrize("name", ["qwen", "claude"])
def test_the_headless_form_is_as_strict(name: str) -> None:
    """P8, F54: the fallback gives nothing away."""
    headless = ADAPTERS[name].headless
    assert headless is not None
    start = headless(NOWHERE, ENDPOINT)
    line = " ".join(start.argv)

    assert ("plan" in line, "stream-json" in line, "--acp" in line) == (True, True, False)
    assert start.env == start_of(name).env
    if name == "claude":
        assert "--setting-sources user --strict-mcp-config --tools=Read,Glob,Grep" in line


def test_files_in_the_home_can_be_read() -> None:
    """P8: whatever a model is called, the files stay what they are; telemetry is off."""
    codex = tomllib.loads(start_of("codex").home[".codex/config.toml"])
    assert (codex["model"], codex["sandbox_mode"]) == ('m"odel', "read-only")
    assert codex["model_providers"]["flowrunner"]["base_url"] == ENDPOINT.base_url
    assert codex["analytics"]["enabled"] is False

    gemini = start_of("gemini").home
    (rule,) = tomllib.loads(gemini["read-only.toml"])["rule"]
    assert (rule["decision"], "write_file" in rule["toolName"]) == ("deny", True)
    assert {"exit_plan_mode", "run_shell_command", "replace"} <= set(rule["toolName"])
    settings = json.loads(gemini[".gemini/settings.json"])
    assert settings["privacy"]["usageStatisticsEnabled"] is False

    opencode = json.loads(start_of("opencode").home["opencode.json"])
    assert opencode["model"] == 'flowrunner/m"odel'
    assert json.loads(start_of("opencode").env["OPENCODE_PERMISSION"])["*"] == "deny"
    qwen = json.loads(start_of("qwen").home[".qwen/settings.json"])
    assert qwen["privacy"]["usageStatisticsEnabled"] is False


@pytest.mark.parametrize("name", ["qwen", "codex", "claude", "gemini", "copilot"])
def test_without_an_address_it_is_the_vendors(name: str) -> None:
    """No half-written variable is left behind."""
    start = start_of(name, replace(ENDPOINT, base_url=None))

    assert "None" not in "".join((*start.env.values(), *start.home.values(), *start.argv))


def a_plan(agents: Path, name: str = "qwen") -> Plan:
    return Plan(adapter=ADAPTERS[name], endpoint=ENDPOINT, site=site_of(agents))


def test_the_environment_is_made_of_named_things(monkeypatch: pytest.MonkeyPatch) -> None:
    """P8, D3-12: nothing of ours, no other key, and Node.js of the pinned version first."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "ours")
    monkeypatch.setenv("FLOWRUNNER_DATABASE_URL", "postgresql://ours")
    plan = a_plan(Path("/nowhere"))
    command = command_of(a_task(), plan, start_of("qwen"), AROUND)

    about = {"FLOWRUNNER_TASK_ID", "FLOWRUNNER_MODE"}
    assert command.env.keys() == {"PATH", "LANG"} | about | start_of("qwen").env.keys()
    assert command.env["PATH"] == f"/nowhere/node/node_modules/node/bin:{AROUND.path}"
    assert (command.cwd, command.output_cap) == (Path("/"), 0)


@pytest.mark.parametrize("name", [name for name in NAMES if ADAPTERS[name].packages])
def test_versions_are_exact(name: str, tmp_path: Path) -> None:
    """F68: what is missing or of another version is told, with its name, before anything starts."""
    adapter, site = ADAPTERS[name], site_of(tmp_path)
    missing = check(adapter, site)
    assert missing is not None
    assert (missing.code, missing.failure_class) == ("agent_not_found", "fatal")

    write_packages(tmp_path, NODE, *adapter.packages)
    assert check(adapter, site) is None

    old = adapter.packages[-1]
    (old.at(tmp_path) / "package.json").write_text('{"version": "0.0.1"}', encoding="utf-8")
    other = check(adapter, site)
    assert other is not None
    assert other.code == "agent_version_mismatch"
    assert (old.version in other.message, "0.0.1" in other.message) == (True, True)


@pytest.mark.parametrize(
    ("majors", "code", "told"),
    [
        ({"no-such-distribution": 2}, "agent_not_found", "no-such-distribution is not installed"),
        (
            {"pydantic": 2, "pydantic-ai-slim": 1},
            "agent_version_mismatch",
            "pydantic-ai-slim is 2.",
        ),
    ],
    ids=["missing", "another-major"],
)
def test_our_own_needs_its_extra(
    tmp_path: Path, majors: dict[str, int], code: str, told: str
) -> None:
    """F68: the API agent is told to be missing before anything starts, with what to type."""
    api = ADAPTERS["api"]
    assert check(api, site_of(tmp_path)) is None

    found = check(replace(api, extra=Extra("api", majors)), site_of(tmp_path))
    assert found is not None
    assert (found.code, found.hint) == (code, "pip install 'flowrunner[api]'")
    assert found.message.startswith(told)


def test_claude_headless_is_another_program(tmp_path: Path) -> None:
    """F68: each form needs only its own."""
    write_packages(tmp_path, NODE, *ADAPTERS["claude"].packages)
    site = site_of(tmp_path)
    found = check(ADAPTERS["claude"], site, headless=True)
    assert found is not None
    assert "claude-code" in found.message

    program = ADAPTERS["claude"].headless_package
    assert program is not None
    write_packages(tmp_path, program)
    assert check(ADAPTERS["claude"], site, headless=True) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 3}', "\udcff"])
def test_a_broken_package_is_none(tmp_path: Path, text: str) -> None:
    """P11: what cannot be read is not installed."""
    folder = NODE.at(tmp_path)
    folder.mkdir(parents=True)
    (folder / "package.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    assert installed_version(NODE, tmp_path) is None


def test_nothing_is_started_that_is_not_there(tmp_path: Path) -> None:
    """F68: a task of such an agent fails at once, for a reason that names the remedy."""
    place = Place(a_room(tmp_path), ProcessLimits())
    listeners = Listeners(lambda _piece: None, lambda _piece: None)
    refused = converse(a_task(), a_plan(tmp_path), AROUND, place, listeners)
    assert isinstance(refused, TaskError)
    assert (refused.code, refused.hint) == (
        "agent_not_found",
        "install the agents again: make agents",
    )

    write_packages(tmp_path, NODE, *ADAPTERS["codex"].packages, *ADAPTERS["opencode"].packages)
    headless = replace(a_plan(tmp_path, "codex"), dialect="headless")
    refused = converse(a_task(), headless, AROUND, place, listeners)
    assert isinstance(refused, TaskError)
    assert refused.code == "dialect_unknown"

    plan = replace(a_plan(tmp_path, "opencode"), endpoint=replace(ENDPOINT, base_url=None))
    refused = converse(a_task(), plan, AROUND, place, listeners)
    assert isinstance(refused, TaskError)
    assert refused.code == "endpoint_missing"


def test_every_pin_is_exact() -> None:
    """F68: a range would be another program tomorrow."""
    pins = {package for adapter in ADAPTERS.values() for package in packages_of(adapter)}

    assert all(pin.version.replace(".", "").isdigit() for pin in pins)
    assert len({(pin.folder, pin.name) for pin in pins}) == len(pins)


def test_notices_spare_the_answer() -> None:
    """P9: what is stripped is the program's, word by word; an answer about it stays."""
    about = "The log says [MODE_UPDATE] and Warning: Model metadata is odd."
    for adapter in ADAPTERS.values():
        recorder = Recorder(lambda _piece: None, 1000, adapter.notices)
        assert all(notice.fullmatch(about) is None for notice in adapter.notices)
        assert not any(pattern.search(about) for pattern in adapter.in_band)
        assert recorder.answer().text == ""
