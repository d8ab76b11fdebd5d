"""A program that uses the cluster in the folder it is given, until its standard input ends.

It prints the keeper's pid, or with --write counts into a table and prints each number the server
has acknowledged, or with --ask runs one statement as the service and prints the answer.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import structlog

from flowrunner.embedded.cluster import Cluster


def main(home: str, *options: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with Cluster(Path(home), durable="--write" in options, linger=0) as cluster:
        sys.stdout.write(f"{cluster.keeper}\n")
        sys.stdout.flush()
        if "--write" in options:
            _write(cluster.address("owner"))
        elif "--ask" in options:
            sys.stdout.write(_ask(cluster.address("service")) + "\n")
        else:
            sys.stdin.read()


def _write(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute("CREATE TABLE counted (n int)")
        for number in range(1_000_000):
            conn.execute("INSERT INTO counted VALUES (%s)", [number])
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


def _ask(address: str) -> str:
    with psycopg.connect(address) as conn:
        row = conn.execute("SELECT concat(current_user, ' ', version())").fetchone()
    return str(row and row[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
