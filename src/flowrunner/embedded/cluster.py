"""The embedded PostgreSQL as the rest of the program sees it: start, address, stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psycopg
import structlog
from psycopg.conninfo import make_conninfo
from structlog.typing import FilteringBoundLogger

from flowrunner.embedded import databases
from flowrunner.embedded.binaries import find_binaries
from flowrunner.embedded.databases import USERS, Role
from flowrunner.embedded.errors import EmbeddedError, NotDurableError, NotStartedError, StartError
from flowrunner.embedded.link import Link, attach
from flowrunner.embedded.spec import Mode, Spec, open_home

DATABASE = "flowrunner"
_SLOWEST_RETRY = 30.0
_ENSURE_SECONDS = 60.0
_LOOK_SECONDS = 0.02

log: FilteringBoundLogger = structlog.get_logger()


class Cluster:
    """A PostgreSQL under *data*, shared by every process that starts a Cluster there.

    It runs until the last of them has stopped or died, and *linger* seconds more. *durable* False
    trades crash safety for speed: for tests. *settings* go to postgres and win over ours.
    """

    def __init__(
        self,
        data: Path,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        durable: bool = True,
        linger: float = 0.5,
        mode: Mode | None = None,
    ) -> None:
        self._data = data
        self._binaries = binaries
        self._settings = dict(settings or {})
        self._durable = durable
        self._linger = linger
        self._mode: Mode | None = mode
        self._turn = threading.RLock()
        self._stopping = threading.Event()
        self._spec: Spec | None = None
        self._link: Link | None = None
        self._watch: threading.Thread | None = None

    def start(self) -> None:
        """Attach to the running cluster or start it; blocks until it takes connections.

        Repeatable. Raises EmbeddedError. From here on the keeper is watched by a thread, and
        started again when it dies.
        """
        with self._turn:
            if self._link is not None:
                return
            began = time.monotonic()
            found = find_binaries(self._binaries)
            self._spec = self._specify(found.bindir, found.major)
            self._link = self._attach(self._spec)
            self._furnish()
            self._stopping.clear()
            self._watch = threading.Thread(target=self._keep_watch, daemon=True, name="pg-watch")
            self._watch.start()
        seconds = round(time.monotonic() - began, 3)
        log.info("cluster.started", version=found.version, source=found.source, seconds=seconds)

    def ensure(self) -> None:
        """Return when postgres takes connections, having started it again if need be.

        Repeatable, from any thread. Raises EmbeddedError.
        """
        with self._turn:
            if self._link is None or self._spec is None:
                raise NotStartedError(f"the cluster in {self._data} is not started")
            end = time.monotonic() + _ENSURE_SECONDS
            while True:
                old, self._link = self._link, self._attach(self._spec)
                old.leave()
                if (refusal := databases.refusal(self._admin())) is None:
                    return
                if self._stopping.wait(_LOOK_SECONDS) or time.monotonic() > end:
                    raise StartError(f"postgres refuses connections: {refusal}")

    def stop(self) -> None:
        """Let go of the cluster; the last one out stops it. Repeatable."""
        self._stopping.set()
        with self._turn:
            link, self._link = self._link, None
            if link is not None:
                link.leave()
            watch, self._watch = self._watch, None
        if watch is not None:
            watch.join()

    def address(self, role: Role = "service", database: str = DATABASE) -> str:
        """Return a conninfo. It stays good when the keeper or postgres is restarted."""
        link = self._link
        if link is None:
            raise NotStartedError(f"the cluster in {self._data} is not started")
        return make_conninfo(host=link.host, port=5432, user=USERS[role], dbname=database)

    def create_database(self, name: str) -> None:
        databases.create_database(self._admin(), name)

    def clone_database(self, name: str, template: str) -> None:
        databases.clone_database(self._admin(), name, template)

    def drop_database(self, name: str) -> None:
        databases.drop_database(self._admin(), name)

    @property
    def keeper(self) -> int:
        """The pid of the keeper."""
        if self._link is None:
            raise NotStartedError(f"the cluster in {self._data} is not started")
        return self._link.keeper

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _admin(self) -> str:
        return self.address("admin", "postgres")

    def _specify(self, bindir: Path, major: int) -> Spec:
        return Spec(
            home=open_home(self._data),
            bindir=bindir,
            major=major,
            settings=self._settings,
            durable=self._durable,
            linger=self._linger,
            mode=self._mode,
        )

    def _attach(self, spec: Spec) -> Link:
        link = attach(spec)
        if self._durable and not link.durable:
            link.leave()
            raise NotDurableError(
                f"the cluster in {self._data} was started for tests and may lose what it commits",
                hint="stop the program that uses it, or use another folder",
            )
        if link.settings != self._settings:
            log.warning("cluster.settings_differ", wanted=self._settings, running=link.settings)
        return link

    def _furnish(self) -> None:
        """Create the roles and our database, if they are not there; let go if that fails."""
        try:
            databases.ensure_roles(self._admin())
            databases.ensure_database(self._admin(), DATABASE)
        except psycopg.Error as exc:
            self.stop()
            raise StartError(
                f"postgres refuses to create roles and database: {exc}",
                hint=f"see the log in {self._data}",
            ) from exc

    def _keep_watch(self) -> None:
        while (link := self._link) is not None:
            link.wait_until_lost()
            if self._link is link and not self._stopping.is_set():
                self._recover()

    def _recover(self) -> None:
        """Bring the keeper back, however long it takes: a full disk may be emptied yet."""
        log.warning("cluster.keeper_lost", data=str(self._data))
        delay = 0.5
        while not self._stopping.is_set():
            try:
                self.ensure()
            except NotStartedError:
                return
            except EmbeddedError as exc:
                log.error("cluster.restart_failed", code=exc.code, error=str(exc), hint=exc.hint)  # noqa: TRY400
                self._stopping.wait(delay)
                delay = min(delay * 2, _SLOWEST_RETRY)
            else:
                log.info("cluster.restarted", data=str(self._data))
                return
