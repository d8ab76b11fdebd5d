"""The API agent at work, on the path that a worker takes: what it says, and how it fails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dispatch.adapters.real import a_project
from dispatch.apiagent.endpoint import USED, Answer, an_endpoint, call, delta, refusal, text
from dispatch.apiagent.stage import KEY, ask, failure
from flowrunner.dispatch.acp.recording import Piece
from flowrunner.dispatch.adapters.launching import Conversation

pytestmark = pytest.mark.anyio

PASSING = ("provider_unavailable", "transient")
QUOTA = ("quota_exhausted", "quota")


async def test_a_conversation(tmp_path: Path) -> None:
    """F49, R2-33: three tools, an answer of what came after them, and all tokens."""
    project = a_project(tmp_path)
    answers = [
        call("list", {}),
        call("grep", {"pattern": "marzi"}),
        call("read", {"path": "README.md"}),
        text("Mar", "zipan."),
    ]
    with an_endpoint(*answers) as endpoint:
        played = await ask(endpoint.address, project)

    report = played.judgement.report
    assert (report.outcome, report.output) == ("completed", "Marzipan."), report.error
    assert (report.usage.input_tokens, report.usage.output_tokens) == (400, 80)
    line = "the word is marzipan"
    hits = f"README.md:1: {line}\n[flowrunner: 1 hits in 1 files]"
    assert endpoint.told() == ["README.md", hits, f"1: {line}"]
    tools = [piece.text for piece in played.pieces if piece.kind == "tool"]
    assert tools[2].startswith('running search grep marzi {"pattern": "marzi"}')
    assert tools[3].startswith("completed search grep marzi")
    assert re.search(r" s, [67]\d characters\]$", tools[3])
    assert {one["authorization"] for one in endpoint.headers} == {f"Bearer {KEY}"}
    record = played.judgement.record
    assert record["tools"] == {"read": 1, "search": 2}
    assert "pydantic-ai-slim 2." in str(record["version"])


async def test_thoughts_are_told_apart(tmp_path: Path) -> None:
    """R2-33: what a model thinks is in the transcript, and not in the answer."""
    whole = text("No.")
    thinking = Answer(
        [delta(reasoning_content="Hm, "), delta(reasoning_content="no."), *whole.chunks]
    )
    with an_endpoint(thinking) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path))

    assert (played.told("thought"), played.judgement.report.output) == ("Hm, no.", "No.")


async def test_calls_are_told_apart(tmp_path: Path) -> None:
    """R2-33: several at once, and ids that a model uses anew with each request."""
    project = a_project(tmp_path)
    both = call("read", {"path": "README.md"}, {"path": "nothing"})
    with an_endpoint(both, both, text("Well.")) as endpoint:
        played = await ask(endpoint.address, project)

    tools = [piece.text.split(" [")[0] for piece in played.pieces if piece.kind == "tool"]
    assert sum(tool.startswith("completed read README.md") for tool in tools) == 2
    assert sum(tool.startswith("failed read nothing") for tool in tools) == 2
    assert played.judgement.record["tools"] == {"read": 4}


async def test_nothing_outside_reaches_the_model(tmp_path: Path) -> None:
    """P8: links, parents, absolute paths and /proc: it is told no, and goes on."""
    project = a_project(tmp_path)
    (tmp_path / "secret").write_text("the secret", encoding="utf-8")
    (project / "link").symlink_to("../secret")
    (project / "root").symlink_to("/")
    paths = [
        "link",
        "../secret",
        f"{tmp_path}/secret",
        "/proc/self/environ",
        "root/proc/self/environ",
    ]
    reads = call("read", *({"path": path} for path in paths))
    greps = call("grep", *({"pattern": ".", "path": path} for path in paths))
    with an_endpoint(reads, greps, text("Well.")) as endpoint:
        played = await ask(endpoint.address, project)

    assert played.judgement.report.output == "Well."
    assert len(endpoint.told()) == 10
    assert all("is outside of the project" in told for told in endpoint.told())
    assert "the secret" not in str(endpoint.asked)
    assert KEY not in str(endpoint.asked)


async def test_a_tool_that_is_none(tmp_path: Path) -> None:
    """P8, F49: a model that makes up a tool, or its arguments, is told, and goes on."""
    calls = (call("write", {"path": "x"}), call("read", {"file": "x"}), call("read", "{not JSON"))
    with an_endpoint(*calls, text("Well.")) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path))

    assert played.judgement.report.output == "Well.", played.judgement.report.error
    none, *wrong = endpoint.told()
    assert "Unknown tool name: 'write'. Available tools: 'grep', 'list', 'read'" in none
    assert len(wrong) == 2
    assert played.told("tool").count("failed") == 3


@pytest.mark.parametrize(
    ("options", "requests"), [({"request_limit": 3}, 3), ({"tool_limit": 2}, 3)]
)
async def test_limits_end_it(tmp_path: Path, options: dict[str, Any], requests: int) -> None:
    """P10: a model that never answers is asked so often, and the tokens are counted."""
    with an_endpoint(call("read", {"path": "README.md"})) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path), **options)

    assert failure(played) == ("answer_cut", "contract")
    assert len(endpoint.asked) == requests
    assert played.judgement.report.usage.input_tokens == requests * USED["prompt_tokens"]


@pytest.mark.parametrize(
    ("answer", "code", "failure_class"),
    [
        (text("No bugs", reason=None), *PASSING),
        (text("No bugs", reason="length"), "answer_cut", "contract"),
        (text("No bugs", reason="content_filter"), "refused", "contract"),
        (text(""), "empty_answer", "contract"),
        (Answer([delta(refusal="I will not."), *text().chunks]), "refused", "contract"),
        (Answer([delta(content="x"), *text().chunks[:1]]), "no_output_tokens", "transient"),
        (Answer([delta(content="x"), {"error": {"message": "Boom"}}]), *PASSING),
        (Answer([delta(content="x"), {"error": {"message": "Rate limit"}}]), *QUOTA),
    ],
    ids=["unfinished", "length", "filter", "empty", "refusal", "no-tokens", "error", "limit"],
)
async def test_what_is_no_answer(
    tmp_path: Path, answer: Answer, code: str, failure_class: str
) -> None:
    """P9: half of one, a filtered one, none, and one that no model was counted for."""
    with an_endpoint(answer) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path))

    assert failure(played) == (code, failure_class)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("answer", "code", "failure_class"),
    [
        (refusal(400, "bad"), "request_refused", "fatal"),
        (refusal(400, "This model's maximum context length is 5"), "context_too_large", "fatal"),
        (refusal(401, f"wrong key: {KEY}"), "not_authorized", "fatal"),
        (refusal(403, "no"), "not_authorized", "fatal"),
        (refusal(404, "no"), "model_unknown", "fatal"),
        (refusal(402, "pay"), *QUOTA),
        (Answer(status=302, headers={"location": "/elsewhere"}, body={}), *PASSING),
    ],
    ids=["400", "context", "401", "403", "404", "402", "302"],
)
async def test_a_provider_that_refuses(
    tmp_path: Path, answer: Answer, code: str, failure_class: str
) -> None:
    """P9, F30: the class says what to do, and no key is repeated; nobody is led elsewhere."""
    with an_endpoint(answer) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path))

    assert failure(played) == (code, failure_class)
    assert KEY not in played.judgement.report.model_dump_json()
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [refusal(429, "slow down", retry_after="3600"), refusal(429, "Please try again in 60m0s.")],
    ids=["header", "words"],
)
async def test_a_quota_says_until_when(tmp_path: Path, answer: Answer) -> None:
    """F30: the announced time arrives; it is not waited for here."""
    with an_endpoint(answer) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path))

    assert failure(played) == QUOTA
    assert played.judgement.quota_until is not None
    assert len(endpoint.asked) == 1
    assert played.judgement.report.usage.seconds < 30


async def test_what_passes_is_tried_again(tmp_path: Path) -> None:
    """R2-28: paid work is not lost over one bad gateway in the middle."""
    answers = [call("list", {}), refusal(502, "gateway"), text("Well.")]
    with an_endpoint(*answers) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path))

    assert played.judgement.report.output == "Well."
    assert len(endpoint.asked) == 3


async def test_tokens_of_what_failed_count(tmp_path: Path) -> None:
    """P10: what was spent before an error was spent."""
    with an_endpoint(call("list", {}), refusal(400, "bad")) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path))

    assert failure(played) == ("request_refused", "fatal")
    assert played.judgement.report.usage.output_tokens == USED["completion_tokens"]


async def test_nobody_listens(tmp_path: Path) -> None:
    """F30: no connection is something that may pass."""
    with an_endpoint() as endpoint:
        address = endpoint.address
    played = await ask(address, a_project(tmp_path))

    assert failure(played) == PASSING


async def test_a_large_answer_arrives(tmp_path: Path) -> None:
    """P11: more than any line holds, in one piece and in many; beyond the cap it is marked."""
    with an_endpoint(text("x" * 20_000_000, *["y" * 1000] * 100)) as endpoint:
        played = await ask(endpoint.address, a_project(tmp_path))

    report = played.judgement.report
    assert report.output is not None
    assert report.output.startswith("xxxx")
    assert report.truncated_bytes == 20_100_000 - 1024 * 1024
    assert len(played.told("text")) == 20_100_000


async def test_it_is_stopped_in_a_tool(tmp_path: Path) -> None:
    """P12: a search for ever ends with who asked for it."""
    project = a_project(tmp_path)
    (project / "long.txt").write_text("a" * 60 + "b", encoding="utf-8")

    def stop(conversation: Conversation, piece: Piece) -> None:
        if piece.kind == "tool":
            conversation.stop()

    with an_endpoint(call("grep", {"pattern": "(a+)+$"})) as endpoint:
        played = await ask(endpoint.address, project, on_piece=stop)

    assert failure(played)[0] == "agent_stopped"
    assert played.judgement.record["stop_reason"] == "cancelled"
    assert played.judgement.report.usage.seconds < 15
    assert played.judgement.report.usage.input_tokens == USED["prompt_tokens"]
