"""Find the database: the operator's, or an embedded one that lives as long as its users."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from flowrunner.core.errors import FlowRunnerError
from flowrunner.db import migrations
from flowrunner.embedded.cluster import Cluster
from flowrunner.embedded.home import data_home
from flowrunner.settings import Settings


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the database is reached: by the service, for LISTEN, and by the tables' owner."""

    database: str
    listen: str
    owner: str
    is_embedded: bool = False


class SchemaError(FlowRunnerError):
    """The database's tables are not those of this version."""

    code = "schema"


@contextmanager
def open_database(settings: Settings) -> Generator[Addresses]:
    """Yield a migrated database's addresses; call it before an event loop runs.

    The embedded one is migrated by us. The operator's is not: `flowrunner db upgrade` is an act of
    its own, so that replicas of two versions can roll (ADR 0007). Raises SchemaError then.
    """
    with reach_database(settings) as addresses:
        if addresses.is_embedded:
            migrations.upgrade(addresses.owner)
        else:
            _require_schema(addresses.database)
        yield addresses


@contextmanager
def reach_database(settings: Settings) -> Generator[Addresses]:
    """Yield the database's addresses, whatever its tables are."""
    if settings.database_url is not None:
        yield _given(settings, settings.database_url.get_secret_value())
        return
    folder = settings.data if settings.data is not None else data_home()
    with Cluster(folder, binaries=settings.pg_bin) as cluster:
        service = cluster.address("service")
        yield Addresses(service, service, cluster.address("owner"), is_embedded=True)


def _given(settings: Settings, database: str) -> Addresses:
    listen, owner = settings.listen_url, settings.migration_url
    return Addresses(
        database=database,
        listen=listen.get_secret_value() if listen else database,
        owner=owner.get_secret_value() if owner else database,
    )


def _require_schema(url: str) -> None:
    found, wanted = migrations.current(url), migrations.head()
    if found != wanted:
        has = "holds no flowrunner tables" if found is None else f"is at schema {found}"
        raise SchemaError(
            f"the database {has}, this version needs {wanted}", hint="run: flowrunner db upgrade"
        )
