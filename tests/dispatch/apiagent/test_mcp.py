"""MCP servers of an operator's choice: real ones, by the SDK, over loopback and as programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from dispatch.adapters.real import Played, a_project
from dispatch.apiagent.endpoint import an_endpoint, call, text
from dispatch.apiagent.mcp_server import Grant, a_grant, an_issuer, docs, no_grant
from dispatch.apiagent.stage import ask, failure

pytestmark = pytest.mark.anyio

LOOK = call("docs_look_up", {"word": "marzipan"})
GOOD = "good"
LOGIN = ("login_needed", "fatal")


async def look_up(tmp_path: Path, mcp: dict[str, Any]) -> tuple[Played, list[str]]:
    """Let the model look a word up; return what it was told last."""
    with an_endpoint(LOOK, text("Well.")) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path), mcp={"docs": mcp})
    return played, endpoint.told() if endpoint.asked else []


async def test_tools_of_a_server(tmp_path: Path) -> None:
    """F49: they are the model's tools, and the transcript tells of their use."""
    with docs() as server:
        played, told = await look_up(tmp_path, {"url": server.address})

    assert played.judgement.report.output == "Well.", played.judgement.report.error
    assert (server.called, told) == (["marzipan"], ["marzipan is sweet"])
    assert "completed other docs_look_up" in played.told("tool")


async def test_only_allowed_tools(tmp_path: Path) -> None:
    """P8, F49: those of the operator's list, and no others; a tool that fails says so."""
    with docs() as server, an_endpoint(LOOK, call("docs_fail", {"word": "x"}), text("W.")) as model:
        mcp = {"docs": {"url": server.address, "tools": ["fail"]}}
        played = await ask(model.address, a_project(tmp_path), mcp=mcp)

    offered = {tool["function"]["name"] for tool in model.asked[0]["tools"]}
    assert offered == {"list", "read", "grep", "docs_fail"}
    assert server.called == []
    assert "Unknown tool name" in model.told()[0]
    assert "x" in model.told()[1]
    assert played.told("tool").count("failed other docs_fail") == 1


async def test_a_tool_that_is_not_offered(tmp_path: Path) -> None:
    """P11: a list that names what is not there is told, not shortened."""
    with docs() as server:
        mcp = {"url": server.address, "tools": ["look_up", "gone"]}
        played, _ = await look_up(tmp_path, mcp)

    assert failure(played) == ("request_refused", "fatal")
    assert "has no tool gone" in str(played.judgement.report.error)


async def test_tools_of_one_name(tmp_path: Path) -> None:
    """P11: where models cannot tell two tools apart, none is left out in silence."""
    with docs(twin="look.up") as server:
        played, _ = await look_up(tmp_path, {"url": server.address})

    assert failure(played) == ("request_refused", "fatal")
    assert "several MCP tools are called docs_look_up" in str(played.judgement.report.error)


SCRIPT = """
import os, sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("docs")
@server.tool()
def look_up(word: str) -> str:
    return f"{word}; {os.getcwd()}; {sorted(os.environ)}; {os.environ['TOKEN']}"
server.run()
"""


async def test_a_server_that_is_a_program(tmp_path: Path) -> None:
    """P8: it works in the private HOME, knows no key of ours, and secrets may come from files."""
    (tmp_path / "token").write_text("from a file\n", encoding="utf-8")
    args = ["-I", "-c", SCRIPT]
    env = {"TOKEN": {"file": str(tmp_path / "token")}}
    played, told = await look_up(tmp_path, {"command": sys.executable, "args": args, "env": env})

    assert played.judgement.report.output == "Well.", played.judgement.report.error
    word, folder, names, token = told[0].split("; ")
    assert (word, token) == ("marzipan", "from a file")
    assert folder.endswith("/home")
    assert "FLOWRUNNER_API_KEY" not in names


@pytest.mark.parametrize(
    "mcp",
    [
        {"command": "no-such-program"},
        {"command": sys.executable, "args": ["-c", "pass"]},
        {"url": "http://127.0.0.1:9/mcp"},
    ],
    ids=["missing", "mute", "nobody"],
)
async def test_a_server_out_of_reach(tmp_path: Path, mcp: dict[str, Any]) -> None:
    """F30, P11: nothing is spent on an answer that would lack what it has to say."""
    played, told = await look_up(tmp_path, mcp)

    assert failure(played) == ("provider_unavailable", "transient")
    assert "the MCP server 'docs' cannot be used" in str(played.judgement.report.error)
    assert told == []


@pytest.mark.parametrize("has_url", [True, False], ids=["token-url", "issuer"])
async def test_client_credentials(tmp_path: Path, *, has_url: bool) -> None:
    """R3-24: a token is got without a person, for this server, and only where we were told."""
    with docs(GOOD.__eq__) as server, an_issuer(a_grant("good")) as issuer:
        place = {"token_url": f"{issuer.address}/token"} if has_url else {"issuer": issuer.address}
        oauth = {"client_id": "flow", "client_secret": "s3cret", "scopes": ["read"], **place}
        played, told = await look_up(tmp_path, {"url": server.address, "oauth": oauth})

    assert told == ["marzipan is sweet"], played.judgement.report.error
    (asked,) = issuer.asked
    assert asked == {
        "grant_type": "client_credentials",
        "scope": "read",
        "resource": server.address,
    }
    assert issuer.logins == ["Basic Zmxvdzpz" + "M2NyZXQ="]


async def test_a_rejected_token_is_renewed_once(tmp_path: Path) -> None:
    """R3-24: a token that a server has forgotten is nobody's business but ours."""
    grants = [a_grant("old"), a_grant("new")]
    uses = {"old": 4}

    def accepts(token: str) -> bool:
        uses[token] = uses.get(token, 100) - 1
        return uses[token] >= 0

    with docs(accepts) as server, an_issuer(*grants) as issuer:
        oauth = {
            "client_id": "flow",
            "refresh_token": {"file": str(tmp_path / "refresh")},
            "token_url": f"{issuer.address}/token",
        }
        (tmp_path / "refresh").write_text("r-1", encoding="utf-8")
        played, told = await look_up(tmp_path, {"url": server.address, "oauth": oauth})

    assert told == ["marzipan is sweet"], played.judgement.report.error
    assert [asked["refresh_token"] for asked in issuer.asked] == ["r-1", "r-1"]
    assert issuer.asked[0]["client_id"] == "flow"


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        (no_grant(400, "invalid_grant"), LOGIN),
        (no_grant(401, "invalid_client"), LOGIN),
        (no_grant(503, "down"), ("provider_unavailable", "transient")),
        ((200, {"token": "misspelt"}), LOGIN),
        (a_grant("bad"), LOGIN),
    ],
    ids=["refused-refresh", "wrong-client", "down", "no-token", "rejected"],
)
async def test_what_only_a_person_can_repair(
    tmp_path: Path, grant: Grant, expected: tuple[str, str]
) -> None:
    """R3-24: the task fails at once, and says what to do; what may pass is not taken for it."""
    with docs(GOOD.__eq__) as server, an_issuer(grant) as issuer:
        oauth = {
            "client_id": "flow",
            "refresh_token": "r-1",
            "token_url": f"{issuer.address}/token",
        }
        played, told = await look_up(tmp_path, {"url": server.address, "oauth": oauth})

    assert (failure(played), told) == (expected, [])
    error = played.judgement.report.error
    assert error is not None
    assert "'docs'" in error.message
    if expected == LOGIN:
        assert error.hint is not None
        assert "log in again" in error.hint
        assert len(issuer.asked) == (2 if grant == a_grant("bad") else 1)


async def test_a_login_that_ends_in_the_middle(tmp_path: Path) -> None:
    """R3-24: what cannot be renewed during the work fails it, too; no model can help."""
    grants = [a_grant(GOOD), no_grant(400, "invalid_grant")]
    with (
        an_endpoint(LOOK, text("Well.")) as model,
        docs(lambda _token: not model.asked) as server,
        an_issuer(*grants) as issuer,
    ):
        place = f"{issuer.address}/token"
        oauth = {"client_id": "flow", "client_secret": "s", "token_url": place}
        mcp = {"docs": {"url": server.address, "oauth": oauth}}
        played = await ask(model.address, a_project(tmp_path), mcp=mcp)

    assert failure(played) == LOGIN
    assert "invalid_grant, in words" in str(played.judgement.report.error)
    assert len(model.asked) == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer old"}], ids=["none", "old"])
async def test_a_server_that_wants_a_login(tmp_path: Path, headers: dict[str, str]) -> None:
    """R3-24: without one, or with a header that is not good any more, a person is needed."""
    with docs(GOOD.__eq__) as server:
        played, told = await look_up(tmp_path, {"url": server.address, "headers": headers})

    assert (failure(played), told) == (LOGIN, [])


async def test_a_header_from_a_file(tmp_path: Path) -> None:
    """F49: a login that is one header; a file that is missing needs a person."""
    secret = tmp_path / "header"
    headers = {"Authorization": {"file": str(secret)}}
    with docs(GOOD.__eq__) as server:
        mcp = {"url": server.address, "headers": headers}
        missing, _ = await look_up(tmp_path, mcp)
        secret.write_text("Bearer good\n", encoding="utf-8")
        found, told = await look_up(tmp_path / "again", mcp)

    assert failure(missing) == LOGIN
    assert told == ["marzipan is sweet"], found.judgement.report.error
