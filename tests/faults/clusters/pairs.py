"""A primary and its synchronous standby, and what an operator does when the primary is lost."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from chaos.waiting import until
from faults.clusters.hosts import Host, Network
from faults.clusters.nodes import DATABASE, Node
from flowrunner.db import migrations
from flowrunner.embedded import databases
from flowrunner.embedded.account import choose_account
from flowrunner.embedded.binaries import find_binaries
from flowrunner.embedded.databases import USERS

SYNCHRONOUS = "FIRST 1 (*)"
SYNC_SECONDS = 30.0


@dataclass(slots=True)
class Pair:
    """*primary* writes; *standby* has everything that *primary* has acknowledged."""

    network: Network
    primary: Node
    standby: Node

    def address(self, **options: str) -> str:
        """What a client is told: both, and that it wants the one that writes."""
        nodes = sorted((self.primary, self.standby), key=lambda node: node.name)
        return make_conninfo(
            host=",".join(node.host.address for node in nodes),
            port=",".join(str(node.host.port) for node in nodes),
            user=USERS["service"],
            dbname=DATABASE,
            **options,
        )

    def fail_over(self) -> None:
        """Promote the standby. It does without a standby of its own until there is one."""
        self.standby.configure()
        self.standby.reload()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self, *, from_nothing: bool) -> None:
        """Make the lost node the new standby, and wait until it is synchronous."""
        lost = self.standby
        lost.kill()
        self.network.heal(lost.host)
        if from_nothing:
            lost.copy(self.primary)
        else:
            self.primary.sql("CHECKPOINT")
            lost.rewind(self.primary)
        lost.follow(self.primary)
        self.synchronize()

    def synchronize(self) -> None:
        """Have every commit wait for the standby from here on; what is done by now is there."""
        self.primary.configure(synchronous_standby_names=SYNCHRONOUS)
        self.primary.reload()
        until(self._is_synchronous, SYNC_SECONDS)
        # A commit that was waited for brings everything before it along.
        self.primary.sql("SELECT pg_logical_emit_message(true, 'tests', 'all is there')")

    def _is_synchronous(self) -> bool:
        rows = self.primary.sql("SELECT sync_state, state FROM pg_stat_replication")
        return ("sync", "streaming") in rows

    def finish(self) -> None:
        self.primary.kill()
        self.standby.kill()


@contextmanager
def a_pair(
    network: Network, folder: Path, *, environment: Mapping[str, str] | None = None
) -> Generator[Pair]:
    """Two servers with a migrated database on hosts `a` and `b`; both end with the block."""
    nodes = [a_node(network.hosts[name], folder / name, environment) for name in "ab"]
    pair = Pair(network, *nodes)
    try:
        furnish(pair.primary)
        pair.standby.copy(pair.primary)
        pair.standby.follow(pair.primary)
        pair.synchronize()
        yield pair
    finally:
        pair.finish()
        shutil.rmtree(folder, ignore_errors=True)


def a_node(host: Host, folder: Path, environment: Mapping[str, str] | None = None) -> Node:
    """A server that is not made yet. Call it where there are no threads."""
    return Node(host, folder, find_binaries().bindir, choose_account(), dict(environment or {}))


def furnish(node: Node) -> None:
    """Make it, start it, and make our roles and tables there."""
    node.make()
    node.configure()
    node.start()
    databases.ensure_roles(node.address(database="postgres"))
    databases.ensure_database(node.address(database="postgres"), DATABASE)
    migrations.upgrade(node.address("owner"))
    with psycopg.connect(node.address()) as conn:
        conn.execute("CHECKPOINT")
