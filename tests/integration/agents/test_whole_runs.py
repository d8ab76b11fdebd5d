"""A service, PostgreSQL, real agents and a scripted model: from a launch to rows, and nothing more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaos.waiting import until
from dispatch.adapters.real import AGENTS
from flowrunner.client import Client
from flowrunner.dispatch.adapters.installed import check, site_of
from flowrunner.dispatch.adapters.table import ADAPTERS
from flowrunner.wire.runs import Run
from integration.agents.asking import House
from model_server.script import Call, Fail, Say
from model_server.wire import INPUT_TOKENS, OUTPUT_TOKENS

GONE_SECONDS = 10.0
TICKS = Say("tick " * 1000, pause=0.1)

each_agent = pytest.mark.parametrize("agent", ["qwen", "codex"])


@pytest.fixture(autouse=True)
def _installed(agent: str) -> None:
    if problem := check(ADAPTERS[agent], site_of(AGENTS)):
        pytest.skip(f"NOT TRIED with a real {agent}: {problem.message}; run: make agents")


def ended(client: Client, run: str) -> Run:
    """The run, once it has ended."""
    over = {"completed", "failed", "cancelled"}
    until(lambda: client.get_run(run, wait=5).status in over, 90)
    return client.get_run(run)


def assert_kept_secret(house: House) -> None:
    """Neither the key nor the worker's environment and data are in a row, a log or at the model."""
    for program in house.site.installation.programs:
        program.end()
    everything = house.everything()
    assert "marzipan" in everything
    assert house.key not in everything
    assert house.canary not in everything
    heard = "\n".join(asked.text for asked in house.mind.asked)
    assert house.canary not in heard


@each_agent
def test_a_run_from_end_to_end(house: House, agent: str) -> None:
    """P8, P11, R2-33, F49, F54, D3-12: answer, transcript, usage and record in rows; no key in any."""
    house.mind.steps = (
        Call("read", str(house.project / "README.md")),
        Call("shell", f"cat {house.site.installation.home}/*; env; cat /proc/*/environ"),
        Say(f"It is marzipan. Your key is {house.key}."),
    )
    if agent == "qwen":  # It ends its turn over a denied command.
        house.mind.steps = (house.mind.steps[0], house.mind.steps[2])
    server = house.site.serve()
    with server.client() as client:
        launched = client.launch("look", house.body(agent)).id
        run = ended(client, str(launched))
        assert (run.status, run.usage.output_tokens) == (
            "completed",
            OUTPUT_TOKENS * len(house.mind.steps),
        ), run
        assert run.usage.input_tokens == INPUT_TOKENS * len(house.mind.steps)
        assert "It is marzipan. Your key is [flowrunner: key]." in client.report(str(launched))
        attempt = client.get_attempt(str(launched), "look", 1)
    record: dict[str, Any] = json.loads(attempt.model_dump_json())["record"]
    assert "landlock" in json.dumps(record) or "namespaces" in json.dumps(record)
    assert ADAPTERS[agent].packages[0].version in json.dumps(record)
    said = spoken(house)
    assert "README.md" in said
    assert "It is marzipan." in said
    assert house.agents() == []
    assert_kept_secret(house)


def spoken(house: House) -> str:
    rows = house.site.sql("SELECT text FROM transcripts ORDER BY run_id, step_no, attempt, seq")
    return "".join(text for (text,) in rows)


@each_agent
def test_a_provider_that_repeats_the_key(house: House, agent: str) -> None:
    """P8, P9, R2-25: refused with the key in the refusal; the failure says why, without it."""
    # Codex tells no more of a 401 than that there was one.
    status = 401 if agent == "qwen" else 400
    house.mind.steps = (Fail(status, f"marzipan: incorrect API key provided: {house.key}."),)
    server = house.site.serve()
    with server.client() as client:
        run = ended(client, str(client.launch("look", house.body(agent)).id))
        assert run.status == "failed"
        step = client.get_step(str(run.id), "look")
    assert step.error is not None
    assert step.error.code == "not_authorized"
    assert "incorrect API key provided" in step.error.message
    assert house.agents() == []
    assert_kept_secret(house)


@each_agent
def test_a_worker_that_is_killed(house: House, agent: str) -> None:
    """P2, P3, D2-18, F29: its agent is gone within seconds, and the step runs elsewhere."""
    house.mind.steps = (TICKS,)
    server = house.site.serve("--no-worker")
    with server.client() as client:
        worker = house.site.worker()
        run = str(client.launch("look", house.body(agent)).id)
        until(lambda: "tick" in spoken(house), 40)
        assert house.agents()

        worker.kill()
        until(lambda: house.agents() == [], GONE_SECONDS)

        house.mind.steps = (Say("It is marzipan."),)
        house.site.worker()
        found = ended(client, run)
        attempts = client.list_attempts(run, "look").items
    assert found.status == "completed"
    assert len(attempts) == 2
    assert house.agents() == []
    assert_kept_secret(house)


@each_agent
def test_a_run_that_is_cancelled_in_the_middle(house: House, agent: str) -> None:
    """P12, F36: the agent is gone within seconds, what it had said is kept."""
    house.mind.steps = (TICKS,)
    server = house.site.serve()
    with server.client() as client:
        run = str(client.launch("look", house.body(agent)).id)
        until(lambda: "tick" in spoken(house), 40)

        client.cancel_run(run)
        assert ended(client, run).status == "cancelled"
        until(lambda: house.agents() == [], GONE_SECONDS)
    assert "tick" in spoken(house)
