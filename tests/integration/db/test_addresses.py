"""What every connection asks for, unless the operator's address asks for something else."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool.base import AttemptWithBackoff
from pydantic import SecretStr

from fixtures.proxy import Proxy
from fixtures.waiting import until
from flowrunner.bootstrap.database import reach_database
from flowrunner.db.pool import make_pool, with_liveliness
from flowrunner.settings import Settings

PAIR = "host=one.example,two.example port=5501,5502 dbname=flowrunner user=service"
URL = "postgresql://service:secret@one.example:5501,two.example:5502/flowrunner"
WANTED = {
    "target_session_attrs": "read-write",
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


@pytest.mark.parametrize("given", [PAIR, URL], ids=["words", "url"])
def test_a_standby_is_not_asked_and_silence_has_an_end(given: str) -> None:
    """P3, P4: of two hosts the one that writes; what hangs is noticed in seconds."""
    found = conninfo_to_dict(with_liveliness(given, "tests"))
    assert (found["host"], found["port"]) == ("one.example,two.example", "5501,5502")
    assert {name: found[name] for name in WANTED} == WANTED
    assert found["application_name"] == "tests"


@pytest.mark.parametrize("name", sorted(WANTED))
def test_the_operators_word_wins(name: str) -> None:
    """P3: each of them may be set in the address."""
    mine = {**WANTED, name: "any" if name == "target_session_attrs" else "7"}
    found = conninfo_to_dict(with_liveliness(f"{PAIR} {name}={mine[name]}", "tests"))
    assert {each: found[each] for each in WANTED} == mine


def test_every_way_to_the_database_asks_for_it() -> None:
    """P3: the service, LISTEN, migrations and the commands that look for themselves."""
    settings = Settings(
        database_url=SecretStr(PAIR), listen_url=SecretStr(URL), migration_url=SecretStr(URL)
    )
    with reach_database(settings) as addresses:
        for address in (addresses.database, addresses.listen, addresses.owner):
            found = conninfo_to_dict(address)
            assert {name: found[name] for name in WANTED} == WANTED
            assert "application_name" not in found


@pytest.mark.anyio
async def test_a_server_that_comes_back_is_seen_at_once(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P4: however long it was away: pauses between attempts do not grow with the outage."""
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 600.0)
    proxy.cut()
    async with make_pool(proxy.address(), name="flowrunner-tests", size=1) as pool:
        await until(lambda: pool.get_stats().get("connections_errors", 0) > 0)

        proxy.mend()

        async with pool.connection(timeout=5.0) as conn:
            await conn.execute("SELECT 1")
