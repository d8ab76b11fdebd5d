"""Kill a migration at each of its statements, and look at what is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from chaos.programs import SOURCES
from chaos.waiting import until
from fixtures.databases import Database
from flowrunner.db import migrations
from integration.db.test_schema import COLUMNS, CONSTRAINTS, INDEXES, PARTITIONED

DYING = Path(__file__).with_name("dying.py")
MOST = 200
FUNCTIONS = """
SELECT p.oid::regprocedure::text, md5(p.prosrc), p.proconfig::text, p.proacl::text
  FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1
"""
OTHERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def die_everywhere(before: Database, database: Database) -> int:
    """Kill before and after each statement; return how many deaths there were.

    After each the catalogue is that of *before*, or that of *database*, which is today's.
    """
    was, today = catalogue(before), catalogue(database)
    ends: list[bool] = []
    with mourner(before.address("owner")) as process:
        for number in range(1, MOST):
            for when in ("before", "after"):
                begun, killed = ask(process, f"{when} {number}")
                if not killed:
                    assert True in ends
                    assert False in ends
                    return len(ends)
                assert begun == number
                until(lambda: rows(before, OTHERS) == [(0,)])
                now = catalogue(before)
                assert now in (was, today), (when, number)
                ends.append(now == today)
    raise AssertionError("it has more statements than that")


def mourner(address: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    pipe = subprocess.PIPE
    argv = [sys.executable, str(DYING), address]
    return subprocess.Popen(argv, env=environment, stdin=pipe, stdout=pipe, text=True)


def ask(process: subprocess.Popen[str], line: str) -> tuple[int, int]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    begun, number = process.stdout.readline().split()
    return int(begun), int(number)


def catalogue(database: Database) -> list[tuple[object, ...]]:
    """Everything that a migration makes: tables, functions, rights, and the revision itself."""
    told: list[tuple[object, ...]] = [(migrations.current(database.address("owner")),)]
    for query in (COLUMNS, CONSTRAINTS, INDEXES, PARTITIONED, FUNCTIONS):
        told += rows(database, query)
    return told


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database.address("admin")) as conn:
        return conn.execute(query.encode()).fetchall()
