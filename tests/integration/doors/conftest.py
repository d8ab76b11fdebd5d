"""The REST door of a running replica, each answer held against the OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from fixtures.services import Replicas
from flowrunner.api.app import make_app
from flowrunner.api.openapi import describe
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.flow import Flow
from integration.doors.contract import Contract

HOST = "localhost:8700"
_PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Door:
    """A replica behind its app; *client* asks in this process, without a network."""

    service: Service
    app: FastAPI
    client: httpx2.AsyncClient
    contract: Contract

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        # In this process nothing times out: a stream that does not end must not hang the test.
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self.client.get(path, **options)

    async def json(self, path: str, **options: Any) -> Any:
        """The JSON of a successful answer."""
        response = await self.client.get(path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        return await self.client.post(path, json={} if body is None else body, **options)

    async def launch(self, flow: str = "demo", **body: Any) -> RunId:
        """Launch and return the run's id."""
        response = await self.post(f"/api/v1/flows/{flow}/runs", body)
        assert response.status_code == 201, response.text
        return RunId(UUID(response.json()["id"]))


@asynccontextmanager
async def opened(service: Service) -> AsyncGenerator[Door]:
    """Open the door of *service*; an answer that OpenAPI does not promise fails the test."""
    app = make_app(service)
    contract = Contract(describe(app))
    complaints: list[str] = []

    async def hold(response: httpx2.Response) -> None:
        await response.aread()
        complaints.extend(contract.complaints(response))

    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url=f"http://{HOST}",
        event_hooks={"response": [hold]},
    ) as client:
        yield Door(service, app, client, contract)
    assert complaints == []


OpenDoor = Callable[..., Any]


@pytest.fixture
async def open_door(replicas: Replicas) -> AsyncIterator[OpenDoor]:
    """Start a replica of the given flows and open its door."""
    from fixtures.libraries import a_library  # noqa: PLC0415  # flows are each test's own

    async with AsyncExitStack() as stack:

        async def make(*flows: Flow, **settings: Any) -> Door:
            service = await replicas.start(a_library(*flows), **settings)
            # A replica that is stopped while it opens its first connections may miss that it was
            # cancelled: wait_for of Python 3.11 drops a cancellation that meets a result.
            await asyncio.gather(*(service.views.ping() for _ in range(4)))
            return await stack.enter_async_context(opened(service))

        yield make
