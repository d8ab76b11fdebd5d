"""Statements on provider_pauses: who answers nobody until when, by the database's clock."""

from __future__ import annotations

from datetime import datetime

from flowrunner.db.pool import Conn

PAUSE_PROVIDER = "SELECT pause_provider_v1(%(provider)s, %(until)s, %(reason)s)"


async def pause_provider(
    conn: Conn, provider: str, until: datetime | None, reason: str
) -> float | None:
    """Pause the provider unless it is paused for longer; with no *until* only ask.

    Returns for how many seconds from now it is paused, by whatever anybody said; None if it is not.
    """
    args = {"provider": provider, "until": until, "reason": reason}
    row = await (await conn.execute(PAUSE_PROVIDER, args)).fetchone()
    assert row is not None  # noqa: S101  # one row always
    left: float | None = row[0]
    return left


# Kept for a day after their end, for people to see.
DELETE_PAST_PAUSES = (
    "DELETE FROM provider_pauses WHERE until < clock_timestamp() - interval '1 day'"
)


async def delete_past_pauses(conn: Conn) -> int:
    return (await conn.execute(DELETE_PAST_PAUSES)).rowcount
