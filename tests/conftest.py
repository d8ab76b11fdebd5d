"""Registers tests/fixtures/* and nothing else."""

from __future__ import annotations

import pytest

from fixtures.cluster import add_options, cluster

__all__ = ["cluster"]

pytest_plugins = [
    "fixtures.databases",
    "fixtures.services",
    "fixtures.dispatchers",
    "fixtures.proxy",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose where PostgreSQL comes from."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers that fixtures read."""
    for marker in (
        "unsound: the test breaks an invariant on purpose; nobody checks the database afterwards",
        "complains(event, ...): log events of level error that the test expects",
    ):
        config.addinivalue_line("markers", marker)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the product does."""
    return "asyncio"
