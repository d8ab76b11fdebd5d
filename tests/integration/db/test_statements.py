"""Every statement of the program is understood by the schema that the migrations make."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import psycopg
import pytest

import flowrunner.db
from fixtures.databases import Database

_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_PARAMETER = re.compile(r"%\((\w+)\)s")


def statements() -> Iterator[tuple[str, str]]:
    for module in pkgutil.iter_modules(flowrunner.db.__path__):
        for name, value in vars(importlib.import_module(f"flowrunner.db.{module.name}")).items():
            if name.isupper() and isinstance(value, str) and _SQL.match(value):
                yield f"{module.name}.{name}", value


@pytest.mark.parametrize("statement", [pytest.param(sql, id=name) for name, sql in statements()])
def test_a_statement_fits_the_schema(database: Database, statement: str) -> None:
    """A misspelt column fails here by name, not in the middle of a run."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    sql = _PARAMETER.sub(number, statement).replace("%%", "%")

    with psycopg.connect(database.address("service"), autocommit=True) as conn:
        conn.execute(f"PREPARE it AS {sql}".encode())


def test_the_statements_are_found() -> None:
    """The search above finds the hot ones, so that it cannot pass by finding none."""
    names = {name for name, _sql in statements()}

    assert {"apply.APPLY", "launch.LAUNCH", "queue.CLAIM", "runs.LOAD_RUN"} <= names
    assert len(names) > 60
