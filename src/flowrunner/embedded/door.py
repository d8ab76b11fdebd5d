"""The keeper's door: who is connected, who still waits for an answer, which signals came."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import time
from pathlib import Path


class Door:
    """Connections are the only claim on the keeper's life: a client that dies lets go of its own.

    *first* is the connection of the client that started us, open before there is any door.
    """

    def __init__(self, first: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._waiting: set[socket.socket] = set()
        self._answered: set[socket.socket] = set()
        self._parting: list[socket.socket] = []
        self._empty_since = time.monotonic()
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waker.fileno())
        self._admit(first)

    def open(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def wait(self, seconds: float | None) -> bytes:
        """Wait for something to happen, see to it, and return the numbers of signals that came."""
        signals = b""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._wake:
                signals = self._wake.recv(64)
            elif key.fileobj is self._listener:
                self._let_in()
            elif isinstance(key.fileobj, socket.socket):
                self._listen_to(key.fileobj)
        return signals

    def answer(self, line: bytes) -> None:
        """Tell every client that has not had an answer yet."""
        self._send(self._waiting, line)
        self._answered |= self._waiting
        self._waiting.clear()

    def announce(self, line: bytes) -> None:
        """Tell every client; those at the door but not inside count too."""
        self.wait(0)
        self._send(self._waiting | self._answered, line)

    def empty_for(self) -> float | None:
        """Return for how many seconds nobody has been here; None while somebody is."""
        if self._waiting or self._answered:
            return None
        return time.monotonic() - self._empty_since

    def see_off(self) -> None:
        """Let those who left go; until then they wait to hear whether they were the last."""
        for client in self._parting:
            client.close()
        self._parting.clear()

    def close(self) -> None:
        """Let nobody in any more; whoever waits outside is turned away and will try again."""
        if self._listener is not None:
            Path(self._listener.getsockname()).unlink(missing_ok=True)
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _let_in(self) -> None:
        # Whoever knocked may have left before the door was opened.
        with contextlib.suppress(OSError):
            if self._listener is not None:
                self._admit(self._listener.accept()[0])

    def _admit(self, client: socket.socket) -> None:
        client.setblocking(False)
        self._selector.register(client, selectors.EVENT_READ)
        self._waiting.add(client)

    def _listen_to(self, client: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            if client.recv(64):
                return
        self._selector.unregister(client)
        self._waiting.discard(client)
        self._answered.discard(client)
        self._parting.append(client)
        self._empty_since = time.monotonic()

    def _send(self, clients: set[socket.socket], line: bytes) -> None:
        for client in clients:
            # A client that has gone is noticed by its end of file, at the next wait.
            with contextlib.suppress(OSError):
                client.sendall(line)
