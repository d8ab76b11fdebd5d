"""Find the database: the operator's, or an embedded one that lives as long as its users."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from flowrunner.core.errors import FlowRunnerError
from flowrunner.db import migrations, standing
from flowrunner.db.pool import with_liveliness
from flowrunner.embedded.cluster import Cluster
from flowrunner.embedded.home import data_home
from flowrunner.settings import Settings


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the database is reached: by the service, for LISTEN, and by the tables' owner.

    Each says how soon a server that is silent counts as away, and that it must be one that writes.
    """

    database: str
    listen: str
    owner: str
    is_embedded: bool = False


class SchemaError(FlowRunnerError):
    """The database's tables are not such that this version could work on them."""

    code = "schema"


@contextmanager
def open_database(settings: Settings) -> Generator[Addresses]:
    """Yield a migrated database's addresses; call it before an event loop runs.

    The embedded one is migrated by us. The operator's is not: `flowrunner db upgrade` is an act of
    its own, so that replicas of two versions can roll (ADR 0007). Raises SchemaError then.
    """
    with reach_database(settings) as addresses:
        if addresses.is_embedded:
            upgrade_schema(addresses.owner)
        else:
            require_schema(addresses.database)
        yield addresses


def upgrade_schema(url: str) -> str | None:
    """Bring the tables to this version's schema and return what they were at.

    Tables of a later version are left as they are. Raises SchemaError if those do not serve us.
    """
    before = standing.look(url)
    if before.is_newer:
        require_schema(url)
    else:
        migrations.upgrade(url)
    return before.found


def require_schema(url: str) -> str:
    """Return the schema that the tables are at. Raises SchemaError if we cannot use it."""
    found = standing.look(url)
    if found.complaint is not None or found.found is None:
        raise SchemaError(found.complaint or "no schema", hint=found.hint)
    return found.found


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
        database=with_liveliness(database),
        listen=with_liveliness(listen.get_secret_value() if listen else database),
        owner=with_liveliness(owner.get_secret_value() if owner else database),
    )
