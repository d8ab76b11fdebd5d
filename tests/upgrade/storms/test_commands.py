"""Commands and servers of neighbouring releases speak with each other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaos.waiting import until
from upgrade.runs import await_end, launched
from upgrade.stage import Stage
from upgrade.trees import Tree


@pytest.mark.parametrize("newer", ["server", "commands"])
def test_commands_of_one_release_speak_with_servers_of_the_other(
    stage: Stage, last: Tree, newer: str
) -> None:
    """P5, F22, ADR 7: people and scripts are upgraded whenever they like: launch, list, show, approve, report."""
    commands, code = (last, None) if newer == "server" else (None, last)
    server = stage.serve(code, "--slots", "9")

    def say(*words: str) -> Any:
        done = stage.command(commands, "--server", server.url, "--json", *words)
        assert done.process.returncode == 0, (words, done.err.read_text(), done.out.read_text())
        return json.loads(done.out.read_text())

    stage.site.diary.open()
    ours = ("--agent", "watched", "--project", str(stage.site.project))
    finished = say("run", "watched", *ours, "--until", "done")
    with server.client() as client:
        asks = launched(client, stage, "open")
        until(lambda: client.list_approvals().items)
        say("approve", asks)
        await_end(client, asks)
    assert {run["status"] for run in say("ps")["items"]} == {"completed"}
    assert say("show", finished["id"])["status"] == "completed"
    assert "data" in say("report", finished["id"])
    assert server.program.end() == 0
    stage.site.assert_no_complaints()
    stage.assert_sound()
