"""The OpenAPI document is exact: what is there is in it, and what is in it is true."""

from __future__ import annotations

import inspect
from typing import Any, cast, get_type_hints

import pytest
from fastapi.routing import iter_route_contexts

from fixtures.libraries import a_flow, a_library, code
from fixtures.services import Replicas
from flowrunner.api.app import make_app
from flowrunner.api.openapi import describe
from flowrunner.client import AsyncClient, AsyncRunHandle, Client, RunHandle
from flowrunner.client.calls import Which
from integration.doors.contract import Contract

pytestmark = pytest.mark.anyio

NOT_FOR_CLIENTS = {
    "get_live",
    "get_ready",
    "get_openapi",
    "claim_tasks",
    "report_task",
    "append_transcript",
    "register_worker",
    "renew_worker",
    "release_leases",
    "deregister_worker",
}

SHORTCUTS = {"run", "approve", "reject"}
"""What takes more than one operation."""


@pytest.fixture
def document(replicas: Replicas) -> dict[str, Any]:
    return describe(make_app(replicas.build(a_library(a_flow(code("a"))))))


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = [op for path in document["paths"].values() for op in path.values()]
    return {operation["operationId"]: operation for operation in found}


async def test_every_route_is_described(replicas: Replicas, document: dict[str, Any]) -> None:
    """No hidden routes but the probes' second place; no operation is named twice."""
    app = make_app(replicas.build(a_library(a_flow(code("a")))))
    described = {(m.upper(), p) for p, ops in document["paths"].items() for m in ops}
    there = {
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }
    hidden = there - described

    assert described <= there
    assert {path for _method, path in hidden} == {
        f"/api/v1{path}"
        for path in ("/healthz/live", "/healthz/ready", "/version", "/openapi.json")
    }
    assert len(operations(document)) == len(described)


async def test_the_client_has_every_operation_by_its_name(document: dict[str, Any]) -> None:
    """A12: operation ids are the Python client's method names, and it has no others."""
    methods = {
        name
        for name, _method in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and name != "close"
    }

    assert methods == (operations(document).keys() - NOT_FOR_CLIENTS) | SHORTCUTS


CALLED: dict[str, str] = {
    "run_id": "run",
    "key": "step",
    "approval_id": "approval",
    "label": "labels",
}
WHOLE: dict[str, set[str]] = {"events": {"limit"}, "launch": {"name"}}
"""Events are followed to their end, without pages; what is launched is the first argument."""


async def test_the_client_takes_every_parameter(document: dict[str, Any]) -> None:
    """Experience 5.6: what a path or a query can say, a call can say."""
    missing: list[tuple[str, str]] = []
    for name, operation in operations(document).items():
        if name in NOT_FOR_CLIENTS:
            continue
        taken = set(inspect.signature(getattr(Client, name)).parameters)
        taken |= set(get_type_hints(Which)) if "which" in taken else set[str]()
        told: list[str] = [
            p["name"] for p in operation.get("parameters", ()) if p["in"] != "header"
        ]
        wanted = {CALLED.get(each, each) for each in told} - WHOLE.get(name, set())
        missing += [(name, each) for each in sorted(wanted - taken)]

    assert missing == []


async def test_both_clients_have_the_same_methods() -> None:
    """Experience 5.6: what a script may call, a coroutine may await, with the same arguments."""

    def calls(client: type) -> dict[str, list[str]]:
        members = inspect.getmembers(client, inspect.isfunction)
        return {
            name: [str(each).partition(":")[0] for each in inspect.signature(m).parameters.values()]
            for name, m in members
            if not name.startswith("_")
        }

    assert calls(Client) == calls(AsyncClient)
    assert calls(RunHandle) == calls(AsyncRunHandle)


async def test_requests_are_closed(document: dict[str, Any]) -> None:
    """Every body refuses fields that it does not know, and says so."""
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for operation in operations(document).values()
        if "requestBody" in operation
    ]
    schemas = document["components"]["schemas"]
    names = {
        ref["$ref"].rpartition("/")[2]
        for body in bodies
        for ref in body.get("anyOf", [body])
        if "$ref" in ref
    }

    assert len(names) >= 11
    assert [name for name in names if schemas[name].get("additionalProperties") is not False] == []


async def test_refusals_are_declared_in_their_shape(document: dict[str, Any]) -> None:
    """Every operation says how it refuses; FastAPI's own 422 is not what we answer."""
    for name, operation in operations(document).items():
        errors = {s: r for s, r in operation["responses"].items() if s >= "400"}
        assert {"400", "401", "403", "421", "422", "500", "503"} <= errors.keys(), name
        kinds = {kind for response in errors.values() for kind in response["content"]}
        own = {"application/json"} if name == "get_ready" else set[str]()
        assert kinds == {"application/problem+json"} | own, name
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """No schema is named that is not there."""
    schemas = document["components"]["schemas"]
    missing: list[str] = []

    def look(value: Any) -> None:
        match value:
            case {"$ref": str(name)}:
                missing.extend([name] if name.rpartition("/")[2] not in schemas else [])
            case dict():
                for each in cast("dict[str, Any]", value).values():
                    look(each)
            case list():
                for each in cast("list[Any]", value):
                    look(each)
            case _:
                pass

    look(document)

    assert missing == []


@pytest.mark.parametrize(
    ("value", "schema", "is_fine"),
    [
        ({"a": 1}, {"type": "object", "properties": {"a": {"type": "integer"}}}, True),
        ({"a": "1"}, {"type": "object", "properties": {"a": {"type": "integer"}}}, False),
        ({"a": True}, {"type": "object", "properties": {"a": {"type": "integer"}}}, False),
        ({}, {"type": "object", "properties": {}, "required": ["a"]}, False),
        ({"b": 1}, {"type": "object", "properties": {"a": {}}}, False),
        ({"b": 1}, {"type": "object", "additionalProperties": {"type": "string"}}, False),
        ([1, None], {"type": "array", "items": {"type": "integer"}}, False),
        (None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, True),
        ("x", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, False),
        ("x", {"type": "string", "enum": ["y"]}, False),
    ],
)
async def test_the_contract_notices(value: Any, schema: dict[str, Any], *, is_fine: bool) -> None:
    """The check that every answer of these tests passes can fail."""
    contract = Contract({"paths": {}, "components": {"schemas": {}}})

    assert (list(contract.mismatches(value, schema)) == []) is is_fine
