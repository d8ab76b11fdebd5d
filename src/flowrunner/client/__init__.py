"""The Python client: what the REST door offers, as calls. Imports the wire only."""

from flowrunner.client.errors import (
    AmbiguousApprovalError,
    ClientError,
    ConflictError,
    DeniedError,
    GoneError,
    InvalidInputError,
    NoApprovalError,
    NotFoundError,
    RefusedError,
    RunFailedError,
    UnreachableError,
)
from flowrunner.client.handles import AsyncRunHandle, RunHandle
from flowrunner.client.http import AsyncClient, Client

__all__ = [
    "AmbiguousApprovalError",
    "AsyncClient",
    "AsyncRunHandle",
    "Client",
    "ClientError",
    "ConflictError",
    "DeniedError",
    "GoneError",
    "InvalidInputError",
    "NoApprovalError",
    "NotFoundError",
    "RefusedError",
    "RunFailedError",
    "RunHandle",
    "UnreachableError",
]
