"""Approvals at the door: the inbox, one decision that stands, and every way to be refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, code
from fixtures.runs import lapse
from fixtures.services import Replicas
from fixtures.waiting import until
from integration.doors.asking import ANA, BEN, INBOX, RUNS, Choice, asked, asking, question, step_is
from integration.doors.conftest import OpenDoor, opened

pytestmark = pytest.mark.anyio

APPROVE: dict[str, Any] = {"decision": "approve"}
REJECT: dict[str, Any] = {"decision": "reject", "comment": "not yet"}


async def test_the_inbox_shows_what_is_asked(open_door: OpenDoor) -> None:
    """F41, F42: question, form, digest and who may decide; a step says which question is its own."""
    door = await open_door(asking(form=Choice, approvers=["ana"], expires="1h"))
    run_id = await door.launch(title="release")

    found = await asked(door, run_id)

    assert (found["step"], found["round"], found["title"]) == ("ask", 1, "Publish?")
    assert found["body_md"].endswith("Two findings <b>stand</b>.")
    assert found["form_schema"]["properties"].keys() == {"target", "copies"}
    assert (found["approvers"], found["on_reject"], found["status"]) == (["ana"], "stop", "open")
    assert found["run_title"] == "release"
    assert found["expires_at"] > found["requested_at"]
    assert await door.json(f"{INBOX}/{found['id']}") == found
    row = await door.json(f"{RUNS}/{run_id}/steps/ask")
    assert (row["status"], row["approval"]) == ("blocked", found["id"])
    assert (await door.json(RUNS, params={"waiting": True}))["items"][0]["questions"] == 1
    assert (await door.json(f"{RUNS}/counts"))["waiting"] == 1


async def test_an_approval_lets_the_run_go_on_with_its_values(open_door: OpenDoor) -> None:
    """F42: dependents get approved, actor, comment and the form's values with its defaults."""
    door = await open_door(asking(form=Choice))
    run_id = await door.launch()
    found = await asked(door, run_id)

    said = {
        **APPROVE,
        "comment": "fine",
        "values": {"target": "staging"},
        "digest": found["digest"],
    }
    reply = (await door.post(f"{INBOX}/{found['id']}", said, headers=ANA)).json()

    assert (reply["decision"], reply["decided_by"], reply["replayed"]) == ("approve", "ana", False)
    assert reply["run_status"] == "running"
    await step_is(door, run_id, "after", "completed")
    output = await door.get(f"{RUNS}/{run_id}/steps/after/output")
    assert json.loads(output.text) == {
        "approved": True,
        "actor": "ana",
        "comment": "fine",
        "values": {"target": "staging", "copies": 1},
    }


async def test_the_same_decision_may_be_repeated(open_door: OpenDoor) -> None:
    """F42: a lost answer is asked for again; anybody else, or another decision, is told who and when."""
    door = await open_door(asking())
    run_id = await door.launch()
    path = f"{INBOX}/{(await asked(door, run_id))['id']}"
    first = (await door.post(path, APPROVE, headers=ANA)).json()

    again = await door.post(path, APPROVE, headers=ANA)
    other = await door.post(path, REJECT, headers=ANA)
    ben = await door.post(path, APPROVE, headers=BEN)

    assert again.status_code == 200
    assert again.json() == {**first, "replayed": True, "run_status": again.json()["run_status"]}
    for refused in (other, ben):
        told = refused.json()
        assert (refused.status_code, told["code"]) == (409, "already-decided")
        assert (told["context"]["actor"], told["context"]["status"]) == ("ana", "approved")
        assert "already approved by ana at " in told["detail"]


async def test_of_two_replicas_one_decides(replicas: Replicas) -> None:
    """F42: decided twice at once, on two replicas: one stands, the other is told whose it is."""
    library = a_library(asking())
    one, two = [await replicas.start(library) for _ in range(2)]
    async with opened(one) as left, opened(two) as right:
        run_id = await left.launch()
        path = f"{INBOX}/{(await asked(left, run_id))['id']}"

        answers = await asyncio.gather(
            left.post(path, APPROVE, headers=ANA), right.post(path, REJECT, headers=BEN)
        )

        won = [each for each in answers if each.status_code == 200]
        lost = [each.json() for each in answers if each.status_code == 409]
        assert (len(won), len(lost)) == (1, 1)
        assert lost[0]["context"]["actor"] == won[0].json()["decided_by"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({**APPROVE, "values": {}}, ["/values/target"]),
        (
            {**APPROVE, "values": {"target": "x", "copies": 10}},
            ["/values/target", "/values/copies"],
        ),
        ({**APPROVE, "values": {"target": "staging"}, "then": "stop"}, ["/then"]),
        ({**REJECT, "values": {"target": "staging"}}, ["/values"]),
        ({**REJECT, "then": "redo"}, ["/then"]),
        ({"decision": "maybe"}, ["/decision"]),
        ({**APPROVE, "vlaues": {}}, ["/vlaues"]),
    ],
    ids=["missing", "wrong", "then", "values", "redo", "decision", "misspelt"],
)
async def test_values_that_do_not_fit_are_named(
    open_door: OpenDoor, body: dict[str, Any], pointers: list[str]
) -> None:
    """F42: 422 with every place at once, and the question stays open."""
    door = await open_door(asking(form=Choice))
    found = await asked(door, await door.launch())

    response = await door.post(f"{INBOX}/{found['id']}", body)

    assert response.status_code == 422
    assert [each["pointer"] for each in response.json()["errors"]] == pointers
    assert (await door.json(f"{INBOX}/{found['id']}"))["status"] == "open"


async def test_values_without_a_form_are_refused(open_door: OpenDoor) -> None:
    """P11: what nobody asked for is not dropped in silence."""
    door = await open_door(asking())
    found = await asked(door, await door.launch())

    response = await door.post(f"{INBOX}/{found['id']}", {**APPROVE, "values": {"x": 1}})

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/values")


async def test_only_approvers_decide(open_door: OpenDoor) -> None:
    """F43: 403 that names who may; then one of them does."""
    door = await open_door(asking(approvers=["ana", "zoe"]))
    path = f"{INBOX}/{(await asked(door, await door.launch()))['id']}"

    refused = [await door.post(path, APPROVE, headers=who) for who in ({}, BEN)]
    taken = await door.post(path, APPROVE, headers=ANA)

    for response in refused:
        assert (response.status_code, response.json()["code"]) == (403, "not-approver")
        assert response.json()["hint"] == "ask one of: ana, zoe"
    assert taken.status_code == 200


async def test_a_token_is_no_name(replicas: Replicas) -> None:
    """S1: what is said beside a token is a remark: it does not make its holder an approver."""
    library = a_library(asking(approvers=["ana"]))
    service = await replicas.start(library, tokens="secret", host="0.0.0.0")  # noqa: S104
    async with opened(service) as door:
        door.client.headers["Authorization"] = "Bearer secret"
        run_id = await door.launch()
        path = f"{INBOX}/{(await asked(door, run_id))['id']}"

        refused = await door.post(path, APPROVE, headers=ANA)
        cancelled = (await door.post(f"{RUNS}/{run_id}/cancel", headers=ANA)).json()

        assert (refused.status_code, refused.json()["code"]) == (403, "not-approver")
        assert cancelled["actor"].startswith("token-")
        assert cancelled["actor"].endswith("/ana")


@pytest.mark.parametrize("actor", ["", " ana", "a:b", "ana\u00fc", "a" * 101, "-ana"])
async def test_an_actor_is_a_plain_name(open_door: OpenDoor, actor: str) -> None:
    """S8: what stands in events and sentences for ever cannot hold anything."""
    door = await open_door(asking())
    run_id = await door.launch()

    headers = {"X-Flowrunner-Actor": actor.encode("utf-8")}
    response = await door.post(f"{RUNS}/{run_id}/pause", headers=headers)

    assert response.status_code == 422


async def test_another_question_is_not_what_was_approved(open_door: OpenDoor) -> None:
    """F42: a digest that is not this question's is refused, and nothing is decided."""
    door = await open_door(asking())
    path = f"{INBOX}/{(await asked(door, await door.launch()))['id']}"

    response = await door.post(path, {**APPROVE, "digest": "f" * 64})

    assert (response.status_code, response.json()["code"]) == (409, "stale-digest")
    assert (await door.json(path))["status"] == "open"


async def test_what_expired_cannot_be_decided(open_door: OpenDoor, database: Database) -> None:
    """F43: 410 with the time, when nobody decided, whatever expiry then meant."""
    for policy in ("fail", "continue"):
        door = await open_door(asking(expires="1h", on_expiry=policy))
        run_id = await door.launch()
        path = f"{INBOX}/{(await asked(door, run_id))['id']}"
        await lapse(database, door.service, run_id)
        await until(lambda door=door, path=path: _is_closed(door, path))

        response = await door.post(path, APPROVE)

        assert (response.status_code, response.json()["code"]) == (410, "expired")
        assert response.json()["context"]["at"]


async def _is_closed(door: Any, path: str) -> bool:
    return (await door.json(path))["status"] != "open"


async def test_a_withdrawn_question_is_closed(open_door: OpenDoor) -> None:
    """F41: the run was cancelled: the question leaves the inbox, and cannot be decided."""
    door = await open_door(asking())
    run_id = await door.launch()
    path = f"{INBOX}/{(await asked(door, run_id))['id']}"
    await door.post(f"{RUNS}/{run_id}/cancel")

    response = await door.post(path, APPROVE)

    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert response.json()["context"]["status"] == "withdrawn"
    assert (await door.json(INBOX, params={"status": "open"}))["items"] == []
    assert (await door.json(INBOX))["items"][0]["status"] == "withdrawn"


async def test_a_rejection_means_what_it_says(open_door: OpenDoor) -> None:
    """F41: stop fails the run; continue lets it go on with approved false; redo asks anew."""
    flow = a_flow(
        code("draft"), question("ask", "draft", on_reject="redo", redo_from="draft"), name="redo"
    )
    door = await open_door(asking(), flow)
    stop, go_on = await door.launch(), await door.launch()
    redo = await door.launch("redo")
    for run_id, body in ((stop, REJECT), (go_on, {**REJECT, "then": "continue"}), (redo, REJECT)):
        found = await asked(door, run_id)
        reply = await door.post(f"{INBOX}/{found['id']}", body, headers=ANA)
        assert (reply.status_code, reply.json()["decision"]) == (200, "reject")

    told = await step_is(door, stop, "ask", "failed")
    assert told["error"]["code"] == "approval_rejected"
    await step_is(door, go_on, "after", "completed")
    second = await asked(door, redo)
    rounds = (await door.json(INBOX, params={"run": str(redo)}))["items"]
    assert [(each["round"], each["status"]) for each in rounds] == [(1, "rejected"), (2, "open")]
    assert second["id"] != rounds[0]["id"]


async def test_pages_of_the_inbox_lead_on(open_door: OpenDoor) -> None:
    """Oldest first, by cursor and by Link; none twice, none missed."""
    door = await open_door(asking())
    runs = [await door.launch() for _ in range(3)]
    for run in runs:
        await asked(door, run)

    first = await door.get(INBOX, params={"status": "open", "limit": 2})
    link = first.headers["link"]
    second = await door.json(link[1 : link.index(">")])

    assert link.endswith('; rel="next"')
    seen = [each["run_id"] for page in (first.json(), second) for each in page["items"]]
    assert seen == [str(run) for run in runs]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{INBOX}/nonsense", 404),
        (f"{INBOX}/0190f8a0-0000-7000-8000-000000000000.0.1", 404),
        (f"{INBOX}/0190f8a0-0000-7000-8000-000000000000.999999999.999999999", 404),
        (f"{INBOX}?cursor=nonsense", 400),
        (f"{INBOX}?cursor=WyIyMDI2IiwieCIsMV0", 400),
        (f"{INBOX}?cursor=W10", 400),
        (f"{INBOX}?status=closed", 422),
        (f"{INBOX}?run=zzzz", 404),
    ],
)
async def test_what_is_no_question_is_refused(
    open_door: OpenDoor, path: str, expected: int
) -> None:
    """404 for what is not there, 400 for a cursor that is none of ours, 422 for a status."""
    door = await open_door(asking())

    assert (await door.get(path)).status_code == expected
