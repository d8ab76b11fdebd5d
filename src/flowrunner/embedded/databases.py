"""Roles and databases of a server, over its superuser's connection."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

import psycopg
from psycopg import sql

Role = Literal["admin", "owner", "service", "dispatcher"]

USERS: dict[Role, str] = {
    "admin": "postgres",
    "owner": "flowrunner_owner",
    "service": "flowrunner_service",
    "dispatcher": "flowrunner_dispatcher",
}
_LOCK_KEY = 0x666C6F77


def ensure_roles(admin: str, *, password: str | None = None) -> None:
    """Create the three roles that are missing; repeatable, safe in parallel.

    None is a superuser and nothing is granted here: migrations grant. *password* goes to the roles
    created by this call only; a role that was there keeps its own.
    """
    with _alone(admin) as conn:
        for user in (USERS["owner"], USERS["service"], USERS["dispatcher"]):
            _ensure_role(conn, user, password)


def ensure_database(admin: str, name: str) -> None:
    """Create the database for flowrunner_owner unless it is there; repeatable, safe in parallel."""
    with _alone(admin) as conn:
        if conn.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            _create(conn, name, "template1")


def create_database(admin: str, name: str) -> None:
    """Create an empty database that belongs to flowrunner_owner."""
    clone_database(admin, name, "template1")


def clone_database(admin: str, name: str, template: str) -> None:
    """Create a database as a copy of *template*, to which nobody may be connected."""
    with psycopg.connect(admin, autocommit=True) as conn:
        _create(conn, name, template)


def drop_database(admin: str, name: str) -> None:
    """Drop the database and whoever is connected to it; repeatable."""
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def refusal(address: str) -> str | None:
    """Return why no connection can be had there within 10 s; None if one was."""
    try:
        psycopg.connect(address, connect_timeout=10).close()
    except psycopg.OperationalError as exc:
        return str(exc)
    return None


@contextmanager
def _alone(admin: str) -> Generator[psycopg.Connection]:
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        yield conn


def _ensure_role(conn: psycopg.Connection, user: str, password: str | None) -> None:
    if conn.execute("SELECT FROM pg_roles WHERE rolname = %s", [user]).fetchone() is not None:
        return
    conn.execute(
        sql.SQL(
            "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}"
        ).format(sql.Identifier(user), sql.Literal(password))
    )


def _create(conn: psycopg.Connection, name: str, template: str) -> None:
    # FILE_COPY: a template is small and quiet, and copying its files beats logging every page.
    conn.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(template), sql.Identifier(USERS["owner"])
        )
    )
