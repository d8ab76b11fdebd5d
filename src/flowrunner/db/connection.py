"""A connection that does not wait for ever: an answer that never comes is a lost connection."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection

STATEMENT_SECONDS = 30.0
"""What the server may spend on one statement; it gives up by itself then."""
ANSWER_SECONDS = 40.0
"""What its answer may take. Later than the server's own limit: who is only slow has said so before.

The kernel's keepalives cannot know: something between us and the server may acknowledge each packet
and pass nothing on, and a stopped server process acknowledges as well.
"""


class Connection(AsyncConnection[Any]):
    """Gives a statement up, and itself with it, when nobody answers: the outcome is unknown."""

    _is_given_up = False

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109  # psycopg's
        """One round trip. Whoever gives a limit waits for what need not come: notifications."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        patience = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._give_up)
        try:
            return await super().wait(gen, interval)
        except psycopg.OperationalError as error:
            if self._is_given_up:
                told = f"no answer within {ANSWER_SECONDS:.0f} s"
                raise psycopg.OperationalError(told) from error
            raise
        finally:
            patience.cancel()

    def _give_up(self) -> None:
        """Hang up under libpq's feet: what follows is what follows when a connection is lost."""
        self._is_given_up = True
        with (
            suppress(psycopg.Error, OSError),
            socket.socket(fileno=os.dup(self.pgconn.socket)) as s,
        ):
            s.shutdown(socket.SHUT_RDWR)
