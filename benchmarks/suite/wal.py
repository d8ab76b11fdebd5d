"""WAL of a step, without and with the full pages that follow each checkpoint."""

from __future__ import annotations

from typing import Any

import psycopg

from suite.stage import Figures, Stage, meter, timed

_WIDTH = 1_000
_PAGES = "ALTER SYSTEM SET full_page_writes = {}"


async def measure(stage: Stage) -> Figures:
    figures: Figures = {}
    for switch, name in (("off", "wal_bytes_per_step"), ("on", "wal_bytes_per_step_full_pages")):
        async with stage.service() as service:
            with stage.admin(service.addresses) as conn:
                _switch(conn, switch)
                before = meter(conn, service)
                await timed(service, f"fan-{_WIDTH}")
                after = meter(conn, service)
                _switch(conn, "on")
        figures[name] = (after.wal - before.wal) / _WIDTH
    return figures


def _switch(conn: psycopg.Connection[Any], value: str) -> None:
    conn.execute(psycopg.sql.SQL(_PAGES).format(psycopg.sql.SQL(value)))
    conn.execute("SELECT pg_reload_conf()")
