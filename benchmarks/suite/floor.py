"""What PostgreSQL itself can do: pgbench's smallest durable commit, one narrow row updated."""

from __future__ import annotations

import subprocess
import tempfile

import psycopg

from flowrunner.embedded.binaries import find_binaries
from flowrunner.embedded.cluster import Cluster

_TABLE = "CREATE TABLE IF NOT EXISTS bench_floor (id int PRIMARY KEY, n int) WITH (fillfactor = 50)"
_ROWS = "INSERT INTO bench_floor SELECT g, 0 FROM generate_series(1, 64) g ON CONFLICT DO NOTHING"
_SCRIPT = "UPDATE bench_floor SET n = n + 1 WHERE id = :client_id + 1;\n"


def commits_per_second(cluster: Cluster, clients: int, seconds: int = 1) -> float:
    """Durable commits per second with so many clients, statements prepared, on this server."""
    with psycopg.connect(cluster.address("admin"), autocommit=True) as conn:
        conn.execute(_TABLE)
        conn.execute(_ROWS)
        found = conn.info
        where = ["-h", found.host, "-p", str(found.port), "-U", found.user, found.dbname]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_SCRIPT)
        script.flush()
        command = [str(find_binaries(None).bindir / "pgbench"), "-n", "-M", "prepared"]
        command += ["-T", str(seconds), "-c", str(clients), "-j", "1", "-f", script.name, *where]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    line = next(line for line in done.stdout.splitlines() if line.startswith("tps"))
    return float(line.split()[2])
