"""What `flowrunner doctor` says of a database that would lose what it acknowledged."""

from __future__ import annotations

import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from fixtures.databases import Database
from flowrunner.bootstrap.diagnosis import diagnose
from flowrunner.settings import Settings


@pytest.mark.parametrize("switch", ["on", "off"])
def test_a_server_that_may_lose_commits_is_told(database: Database, switch: str) -> None:
    """P3, P11: the program can promise no more than its server; whose switch is off is named."""
    options = f"-c synchronous_commit={switch}"
    url = make_conninfo(database.address(), options=options)

    found = diagnose(Settings(database_url=SecretStr(url)))

    told = [each.message for each in found if each.topic == "durability"]
    assert any("synchronous_commit" in message for message in told) is (switch == "off")
