"""The composition root: the only place that wires. No logic."""

from flowrunner.bootstrap.database import (
    Addresses,
    SchemaError,
    open_database,
    reach_database,
    upgrade_schema,
)
from flowrunner.bootstrap.service import Service, build_service, find_flows, running

__all__ = [
    "Addresses",
    "SchemaError",
    "Service",
    "build_service",
    "find_flows",
    "open_database",
    "reach_database",
    "running",
    "upgrade_schema",
]
