"""How much a command costs before it does anything, counted in modules and not in time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from flowrunner import __version__

LIBRARIES = ("pydantic", "fastapi", "uvicorn", "httpx2", "psycopg", "sqlalchemy", "alembic", "rich")
OURS = ("flowrunner.definitions", "flowrunner.engine", "flowrunner.settings", "flowrunner.api")
SCRIPT = """
import contextlib, io, json, sys
from flowrunner.cli.main import main
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
    code = main(sys.argv[1:])
print(json.dumps({"code": code, "out": out.getvalue(), "modules": sorted(sys.modules)}))
"""


def started(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "arguments", [("--version",), ("--help",), ("version",), ("rnu",), ("version", "--json")]
)
def test_asking_for_little_imports_little(arguments: tuple[str, ...]) -> None:
    """C15: none of the slow libraries, and none of the commands that were not asked for."""
    modules: list[str] = started(*arguments)["modules"]

    assert [name for name in (*LIBRARIES, *OURS, "structlog") if name in modules] == []
    assert len(modules) < 260


def test_talking_to_a_server_does_not_import_one() -> None:
    """`ps` needs the client and the wire, not the service."""
    told = started("--server", "http://127.0.0.1:1", "ps", "--help")

    heavy = ("fastapi", "uvicorn", "sqlalchemy", "flowrunner.engine", "flowrunner.bootstrap")
    assert [name for name in heavy if name in told["modules"]] == []


def test_the_version_is_told() -> None:
    """On stdout, for people and for machines."""
    assert started("--version")["out"] == f"flowrunner {__version__}\n"
    assert json.loads(started("version", "--json")["out"])["version"] == __version__
