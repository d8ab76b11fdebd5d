"""One PostgreSQL of a pair: started, killed, promoted, and rebuilt as the other's standby."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from chaos.waiting import is_alive, until
from embedded.support import kill, processes_of
from faults.clusters.hosts import Host, run_quietly
from flowrunner.embedded.account import Account, launch_command
from flowrunner.embedded.databases import USERS, Role

DATABASE = "flowrunner"
START_SECONDS = 30.0

_COMMON = {
    "max_connections": "100",
    "shared_buffers": "32MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "unix_socket_permissions": "0700",
    "dynamic_shared_memory_type": "mmap",
    "wal_level": "replica",
    "hot_standby": "on",
    "max_wal_senders": "6",
    "wal_keep_size": "256MB",
    "min_wal_size": "32MB",
    "max_wal_size": "512MB",
    # A standby that is gone is missed soon; one that is only slow on a busy machine is not.
    "wal_sender_timeout": "10s",
    "wal_receiver_timeout": "10s",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "100ms",
    "checkpoint_timeout": "1h",
}
_ACCESS = """\
local all all trust
local replication all trust
host all all all trust
host replication all all trust
"""


@dataclass(slots=True)
class Node:
    """Its configuration lies beside the data folder: rebuilding copies the other's data only."""

    host: Host
    folder: Path
    bindir: Path
    account: Account
    environment: dict[str, str]
    """Beyond our own, for the server alone."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def pgdata(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def address(self, role: Role = "admin", database: str = DATABASE) -> str:
        """The way over its own socket, which no cut concerns."""
        port = str(self.host.port)
        return make_conninfo(host=str(self.folder), port=port, user=USERS[role], dbname=database)

    def sql(self, statement: str, *args: object, database: str = "postgres") -> list[Any]:
        """Run one statement as the superuser."""
        with psycopg.connect(self.address(database=database), autocommit=True) as conn:
            cur = conn.execute(statement.encode(), args or None)
            return cur.fetchall() if cur.description else []

    def make(self) -> None:
        """Make an empty server."""
        self._own(self.folder)
        words = ("-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C")
        self._program("initdb", "-D", self.pgdata, *words)

    def configure(self, **settings: str) -> None:
        """Write its configuration; what runs reads it at the next start or `reload`."""
        private = {
            "listen_addresses": self.host.address,
            "port": str(self.host.port),
            "unix_socket_directories": str(self.folder),
            "hba_file": str(self.folder / "hba.conf"),
        }
        given = _COMMON | private | settings
        text = "".join(f"{name} = '{value}'\n" for name, value in given.items())
        (self.folder / "server.conf").write_text(text)
        (self.folder / "hba.conf").write_text(_ACCESS)
        self._own(self.folder / "server.conf", self.folder / "hba.conf")

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self.pgdata / "postmaster.pid").unlink(missing_ok=True)
        program = [self.bindir / "postgres", "-D", self.pgdata]
        program += ["-c", f"config_file={self.folder / 'server.conf'}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(program),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=os.environ | self.environment,
            )
        until(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
        try:
            self.sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> float:
        """SIGKILL, all of it at once, as when its machine dies; return when that was."""
        if self.process is None:
            return time.monotonic()
        members = processes_of(self.pgdata)
        kill(self.process.pid, *members)
        killed_at = time.monotonic()
        self.process.wait()
        # Whoever was just being born.
        kill(*(late := processes_of(self.pgdata)))
        until(lambda: not any(map(is_alive, members | late)))
        self.process = None
        return killed_at

    def quit(self) -> None:
        """SIGQUIT: an immediate shutdown, after which it has to recover."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(START_SECONDS)
        self.process = None

    def promote(self) -> None:
        """Let a standby take over; return when it writes."""
        ((done,),) = self.sql("SELECT pg_promote(true, 20)")
        assert done, "not promoted within 20 s"

    def rewind(self, source: Node) -> None:
        """Make this data folder, which has gone its own way, one that follows *source*."""
        server = make_conninfo(source.address(database="postgres"))
        words = (f"--target-pgdata={self.pgdata}", f"--source-server={server}", "--no-sync")
        config = f"--config-file={self.folder / 'server.conf'}"
        self._program("pg_rewind", *words, config)

    def copy(self, source: Node) -> None:
        """Begin anew as a copy of *source*."""
        shutil.rmtree(self.pgdata, ignore_errors=True)
        self._own(self.folder)
        words = ("-D", self.pgdata, "-X", "stream", "--no-sync", "-c", "fast")
        self._program("pg_basebackup", "-d", source.address(database="postgres"), *words)

    def follow(self, source: Node) -> None:
        """Start as the standby of *source*, whose data this folder fits."""
        way = make_conninfo(
            host=source.host.address,
            port=str(source.host.port),
            user="postgres",
            application_name=self.name,
            connect_timeout="2",
        )
        (self.pgdata / "postgresql.auto.conf").write_text("")
        (self.pgdata / "standby.signal").touch()
        self._own(self.pgdata / "postgresql.auto.conf", self.pgdata / "standby.signal")
        self.configure(primary_conninfo=way, recovery_target_timeline="latest")
        self.start()

    def _program(self, name: str, *words: str | Path) -> None:
        run_quietly(*self._command([self.bindir / name, *words]))

    def _command(self, program: list[str | Path]) -> list[str]:
        words = [str(word) for word in program]
        return [*self.host.prefix, *launch_command(self.account, words, last_signal=signal.SIGKILL)]

    def _own(self, *paths: Path) -> None:
        for path in paths:
            if path == self.folder:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.account.mode == "setuid":
                os.chown(path, self.account.uid, self.account.gid)
