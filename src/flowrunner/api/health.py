"""Probes: alive asks this process only, ready asks whether it may be given work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response, status

from flowrunner import __version__
from flowrunner.api.deps import Reading
from flowrunner.core.errors import UnavailableError
from flowrunner.db.standing import Standing
from flowrunner.wire.health import Check, Health, Live, Version

router = APIRouter(tags=["health"])

_PATIENCE_SECONDS = 3.0


@router.get("/healthz/live", operation_id="get_live")
async def get_live() -> Live:
    """Answer. Nothing else is looked at: a database that is away is no reason to be restarted."""
    return Live()


@router.get(
    "/healthz/ready",
    operation_id="get_ready",
    responses={503: {"model": Health, "description": "Not ready: the checks say why."}},
)
async def get_ready(reading: Reading, response: Response) -> Health:
    """Say whether requests can be served now."""
    checks = (await _checked("database", reading.ping), await _checked("schema", reading.schema))
    health = Health(ready=all(check.ok for check in checks), checks=checks)
    if not health.ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return health


@router.get("/version", operation_id="get_version")
async def get_version() -> Version:
    """Say which version this is."""
    return Version(version=__version__)


async def _checked(name: str, look: Callable[[], Awaitable[Standing | None]]) -> Check:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            found = await look()
    except UnavailableError as error:
        return Check(name=name, ok=False, detail=str(error))
    except TimeoutError:
        return Check(name=name, ok=False, detail=f"no answer in {_PATIENCE_SECONDS:g} s")
    complaint = found.complaint if found is not None else None
    return Check(name=name, ok=complaint is None, detail=complaint or "")
