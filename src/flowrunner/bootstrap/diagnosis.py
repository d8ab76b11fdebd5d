"""Say what is wrong with this installation, before a run has to find out."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from flowrunner.bootstrap.agents import make_kit
from flowrunner.bootstrap.database import Addresses, reach_database
from flowrunner.bootstrap.service import find_flows
from flowrunner.core.errors import FlowRunnerError, InvalidInputError
from flowrunner.db import migrations, standing
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.preflight import check_agent
from flowrunner.settings import Settings, unknown_variables

_LISTEN_SECONDS = 2.0
_OLDEST_PYTHON = (3, 11)
_OLDEST_POSTGRES = 150_000
_LEAST_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is well, and what to do if it is not."""

    topic: str
    state: Literal["ok", "warning", "problem"]
    message: str
    hint: str | None = None


def diagnose(settings: Settings) -> list[Finding]:
    """Look at everything a run needs. Changes nothing, but starts the embedded database if used."""
    found = [_python(), *_environment(), *_flows(settings), *_agents(settings)]
    try:
        with reach_database(settings) as addresses:
            found += _database(addresses)
    except (FlowRunnerError, psycopg.Error, OSError) as error:
        hint = error.hint if isinstance(error, FlowRunnerError) else None
        found.append(Finding("database", "problem", str(error).strip(), hint))
    return found


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    state = "ok" if sys.version_info[:2] >= _OLDEST_PYTHON else "problem"
    return Finding("python", state, version)


def _environment() -> Iterator[Finding]:
    for name, close in sorted(unknown_variables().items()):
        hint = f"did you mean {close}?" if close else None
        yield Finding("environment", "warning", f"{name} is no setting", hint)


def _flows(settings: Settings) -> Iterator[Finding]:
    library = find_flows(settings)
    names = ", ".join(library.names()) or "none"
    yield Finding("flows", "ok" if library.names() else "problem", names)
    for problem in library.problems:
        yield Finding("flows", "problem", str(problem))


def _agents(settings: Settings) -> Iterator[Finding]:
    try:
        kit = make_kit(settings)
    except InvalidInputError as error:
        for problem in error.problems:
            yield Finding("agents", "problem", str(problem), "see FLOWRUNNER_AGENTS and _RATES")
        return
    for name in sorted(kit.agents):
        checks = asyncio.run(check_agent(name, kit))
        for each in (each for each in checks if not each.is_well):
            yield Finding(f"agent {name}", "problem", each.message, each.hint)
        if all(each.is_well for each in checks):
            yield Finding(f"agent {name}", "ok", "; ".join(each.message for each in checks))
    yield _wall(kit)


def _wall(kit: Kit) -> Finding:
    """Without a gate nothing runs, or the operator has taken the risk upon himself."""
    assert kit.wall is not None  # noqa: S101  # `make_kit` builds one
    found = asyncio.run(kit.wall.detected())
    best = next((each for each in found if each.holds and each.gate.rights >= kit.wall.asked), None)
    if best is not None:
        uncovered = ", ".join(sorted(best.gate.uncovered)) or "nothing"
        return Finding("gate", "ok", f"{best.gate.name}; not covered: {uncovered}")
    told = "; ".join(f"{each.gate.name}: {each.told()}" for each in found) or "none is known here"
    state = "problem" if kit.wall.policy == "strict" else "warning"
    return Finding("gate", state, told, "install bubblewrap, or see docs/read-only.md")


def _database(addresses: Addresses) -> Iterator[Finding]:
    with psycopg.connect(addresses.database, autocommit=True) as conn:
        version = conn.info.server_version
        state = "ok" if version >= _OLDEST_POSTGRES else "problem"
        where = "embedded" if addresses.is_embedded else "given"
        yield Finding("postgres", state, f"{version // 10000}.{version % 10000}, {where}")
        yield _schema(addresses)
        yield from _durability(conn)
        yield from _health(conn)
    yield _listening(addresses)


def _schema(addresses: Addresses) -> Finding:
    now = standing.look(addresses.database)
    if now.complaint is None:
        age = f"newer than {migrations.head()}, which it serves" if now.is_newer else "current"
        return Finding("schema", "ok", f"{now.found}, {age}")
    state = "warning" if addresses.is_embedded and not now.is_newer else "problem"
    return Finding("schema", state, now.complaint, now.hint)


_LOSING = """
SELECT string_agg(name, ', ' ORDER BY name) FROM pg_settings
 WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
"""


def _durability(conn: psycopg.Connection[tuple[Any]]) -> Iterator[Finding]:
    """What is acknowledged here is as durable as the server makes it (P3)."""
    row = conn.execute(_LOSING).fetchone()
    if row and row[0]:
        message = f"off: {row[0]}. What was acknowledged may be lost when the server crashes"
        yield Finding("durability", "warning", message, "turn them on in its postgresql.conf")


_OLDEST_SNAPSHOT = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
  FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
"""
_QUEUE_USAGE = "SELECT pg_notification_queue_usage()"


def _health(conn: psycopg.Connection[tuple[float]]) -> Iterator[Finding]:
    """What slows a queue down for reasons outside it (C1, N8)."""
    row = conn.execute(_OLDEST_SNAPSHOT).fetchone()
    seconds = row[0] if row else 0.0
    if seconds > 300:  # noqa: PLR2004  # five minutes
        message = f"a transaction has been open for {seconds:.0f} s: dead rows cannot be removed"
        yield Finding("snapshots", "warning", message, "see pg_stat_activity")
    row = conn.execute(_QUEUE_USAGE).fetchone()
    if row and row[0] > 0.1:  # noqa: PLR2004  # a tenth of the queue
        message = f"NOTIFY's queue is {row[0]:.0%} full: some listener does not read"
        yield Finding("notify", "warning", message)


def _listening(addresses: Addresses) -> Finding:
    """A transaction pooler accepts LISTEN and then is silent (N7)."""
    with psycopg.connect(addresses.listen, autocommit=True, prepare_threshold=None) as conn:
        conn.execute("LISTEN flowrunner_doctor")
        began = time.monotonic()
        conn.execute("NOTIFY flowrunner_doctor")
        for _notify in conn.notifies(timeout=_LISTEN_SECONDS, stop_after=1):
            milliseconds = (time.monotonic() - began) * 1000
            return Finding("listen", "ok", f"hears itself in {milliseconds:.1f} ms")
    hint = "set FLOWRUNNER_LISTEN_URL to the server's own address"
    return Finding("listen", "problem", "LISTEN hears nothing: a pooler is in between", hint)
