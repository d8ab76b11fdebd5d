"""The operator's agents: listed, checked, and looked at before a run spends anything."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fixtures.databases import Database
from integration.doors.commands import Terminal, a_terminal

pytestmark = pytest.mark.anyio

READY = "import sys; sys.stdin.read(); print('ready')"
SLOW = f"import time; time.sleep(3); {READY}"
AGENTS = {
    "well": {"kind": "command", "argv": [sys.executable, "-I", "-c", READY]},
    "slow": {"kind": "command", "argv": [sys.executable, "-I", "-c", SLOW]},
    "gone": {"kind": "command", "argv": ["no-such-program"]},
    "paid": {"kind": "qwen", "model": "m", "api_key_env": "NO_SUCH_KEY", "provider": "acme"},
    "nameless": {"kind": "claude", "base_url": "http://127.0.0.1:1"},
}
FLOW = "flow: look\nsteps:\n  - id: look\n    agent: Look.\n"


@pytest.fixture
def terminal(database: Database, tmp_path: Path) -> Terminal:
    """A terminal whose machine has agents, of which one would work."""
    made = a_terminal(
        tmp_path,
        FLOWRUNNER_DATABASE_URL=database.address("service"),
        FLOWRUNNER_AGENTS=json.dumps(AGENTS),
        FLOWRUNNER_AGENTS_DIR=str(tmp_path / "none"),
    )
    (tmp_path / "flows" / "look.flow.yaml").write_text(FLOW, encoding="utf-8")
    return made


async def test_agents_are_listed_with_what_they_lack(terminal: Terminal) -> None:
    """F68: what is installed, whose quota it uses, and the first thing that is missing."""
    told = await terminal.run("agents", "list", "--json")
    shown = await terminal.run("agents", "list")

    by_name = {row["name"]: row for row in told.json["items"]}
    assert set(by_name) == {*AGENTS, "static"}
    assert by_name["static"]["default"]
    assert by_name["well"]["state"].startswith(sys.executable)
    assert "(agent_not_found)" in by_name["gone"]["state"]
    assert by_name["paid"]["provider"] == "acme"
    assert "node is not installed" in by_name["paid"]["state"]
    assert (told.code, shown.code) == (0, 0)
    assert "runs get 'static' unless they name another" in shown.err


async def test_a_check_says_all_that_is_wrong_and_how_to_mend_it(terminal: Terminal) -> None:
    """F68: program, model, key and gate, each with a code and a hint; the exit code says whether."""
    well = await terminal.run("agents", "check", "well", "static")
    bad = await terminal.run("agents", "check", "--json")
    unknown = await terminal.run("agents", "check", "wel")

    assert well.code == 0, well.out
    assert "ok      gate: " in well.out
    assert "gates of this machine" in well.out
    codes = {
        name: [each["code"] for each in checks if not each["is_well"]]
        for name, checks in bad.json["agents"].items()
    }
    assert bad.code == bad.json["exit_code"] == 1
    assert codes == {
        "well": [],
        "slow": [],
        "static": [],
        "gone": ["agent_not_found"],
        "paid": ["agent_not_found", "key_missing"],
        "nameless": ["agent_not_found", "model_missing"],
    }
    assert all(
        each["hint"] for checks in bad.json["agents"].values() for each in checks if each["code"]
    )
    assert unknown.code == 6
    assert "known: gone, nameless, paid, slow, static, well" in unknown.err


async def test_a_check_may_ask_for_a_word(terminal: Terminal) -> None:
    """F68: the whole way, gate and all, is gone once; what cannot start is not asked.

    It takes longer than a silent worker's agents would live.
    """
    terminal.environment["FLOWRUNNER_LEASE_MARGIN_SECONDS"] = "3"
    asked = await terminal.run("agents", "check", "slow", "gone", "--call", "--json")

    calls = {
        name: [each for each in checks if each["topic"] == "call"]
        for name, checks in asked.json["agents"].items()
    }
    assert calls["gone"] == []
    assert calls["slow"][0]["is_well"], calls
    assert "answered 'ready'" in calls["slow"][0]["message"]


async def test_a_run_that_could_not_work_is_not_begun(
    terminal: Terminal, database: Database
) -> None:
    """F68, P11: all problems at once, before anything is stored or spent."""
    refused = await terminal.run("run", "look", "--agent", "paid")

    assert refused.code == 10
    assert "agent-not-found" in refused.err
    assert "key-missing" in refused.err
    assert "hint: " in refused.err
    assert await database.value("SELECT count(*) FROM flow_run_meta") == 0


async def test_a_launch_that_is_repeated_is_no_new_one(
    terminal: Terminal, database: Database, tmp_path: Path
) -> None:
    """F34, F68: what was launched before is answered, though the agent has gone meanwhile."""
    program = tmp_path / "agent"
    program.write_text(f"#!{sys.executable}\n{READY}\n")
    program.chmod(0o755)
    agents = {"mine": {"kind": "command", "argv": [str(program)]}}
    terminal.environment["FLOWRUNNER_AGENTS"] = json.dumps(agents)
    launch = ("run", "look", "--agent", "mine", "--key", "once", "-q")
    first = await terminal.run(*launch)
    program.unlink()

    again, other = await terminal.run(*launch), await terminal.run(*launch[:-2], "twice")

    assert (first.code, again.code, other.code) == (0, 0, 10)
    assert await database.value("SELECT count(*) FROM flow_run_meta") == 1


async def test_an_operator_may_say_what_gates_are_made_of(terminal: Terminal) -> None:
    """P8: only some parts, where one does not suit an agent; none at all is refused by strict."""
    terminal.environment["FLOWRUNNER_GATES"] = "landlock"
    some = (await terminal.run("agents", "check", "well", "--json")).json
    terminal.environment["FLOWRUNNER_GATES"] = "none"
    none = (await terminal.run("agents", "check", "well", "--json")).json
    terminal.environment["FLOWRUNNER_WALL"] = "tool-level"
    trusted = (await terminal.run("agents", "check", "well", "--json")).json

    (part,) = (each for each in some["agents"]["well"] if each["topic"] == "gate")
    assert part["message"].startswith("landlock-") or part["code"] == "no_gate"
    assert [each["code"] for each in none["agents"]["well"] if not each["is_well"]] == ["no_gate"]
    (gate,) = (each for each in trusted["agents"]["well"] if each["topic"] == "gate")
    assert gate["message"].startswith("none; not covered: ")
