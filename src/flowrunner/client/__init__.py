"""The Python client: what the REST door offers, as calls. Imports the wire only."""

from flowrunner.client.errors import (
    ClientError,
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from flowrunner.client.http import Client

__all__ = [
    "Client",
    "ClientError",
    "ConflictError",
    "DeniedError",
    "InvalidInputError",
    "NotFoundError",
    "RefusedError",
    "UnreachableError",
]
