"""Flows of coding agents over a code base: durable, read-only, on PostgreSQL."""

__version__ = "0.1.0"
