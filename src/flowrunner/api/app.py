"""The REST door: routers, and what stands in front of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI

from flowrunner import __version__
from flowrunner.api import (
    approvals,
    comparing,
    control,
    errors,
    events,
    flows,
    health,
    reports,
    runs,
    steps,
    tasks,
    workers,
)
from flowrunner.api.boundary import Boundary
from flowrunner.api.deps import Parts, refuse_unknown_parameters
from flowrunner.api.guard import Gate, Guard
from flowrunner.api.heads import Heads
from flowrunner.api.intake import Intake
from flowrunner.api.openapi import describe
from flowrunner.api.streams import Streams

_ROUTERS = (
    flows,
    runs,
    control,
    steps,
    approvals,
    events,
    reports,
    comparing,
    workers,
    tasks,
)


def make_app(service: Parts) -> FastAPI:
    """Build the app around a service. Closing the service's feed ends its open streams."""
    app = FastAPI(
        title="Flowrunner",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.parts = service
    app.state.streams = Streams()
    errors.install(app)
    strict = [Depends(refuse_unknown_parameters)]
    for module in _ROUTERS:
        app.include_router(module.router, dependencies=strict)
    document = APIRouter(tags=["health"])
    document.add_api_route("/openapi.json", _document(app), operation_id="get_openapi")
    for router in (health.router, document):
        # Probes and tools look at the root; beside the rest they are found as well.
        app.include_router(router, dependencies=strict)
        app.include_router(router, prefix="/api/v1", include_in_schema=False, dependencies=strict)
    # The last one added is the first one asked.
    app.add_middleware(Heads)
    app.add_middleware(Intake)
    app.add_middleware(Guard, gate=_gate(service))
    app.add_middleware(Boundary)
    return app


def _gate(service: Parts) -> Gate:
    settings = service.settings
    tokens = [token.get_secret_value() for token in settings.tokens]
    return Gate.of(settings.hosts, tokens, bound=settings.host)


def _document(app: FastAPI) -> Any:
    async def get_openapi() -> dict[str, Any]:
        """Describe every route."""
        return describe(app)

    return get_openapi
