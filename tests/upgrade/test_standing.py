"""Programs ask a database whose programs it serves, before they work on it and while they do."""

from __future__ import annotations

import json

import httpx2
import psycopg
import pytest

from fixtures.databases import Database
from fixtures.libraries import a_library
from fixtures.services import Replicas
from flowrunner.bootstrap import SchemaError, open_database, upgrade_schema
from flowrunner.bootstrap.database import require_schema
from flowrunner.cli.main import main
from flowrunner.db import migrations, standing
from flowrunner.settings import Settings
from integration.doors.serving import served
from upgrade.stage import Stage
from upgrade.trees import Tree

TOMORROW = "9999"
LEFT_BEHIND = (
    "is at schema 9999, which serves programs of 9998 and 9999;"
    f" this version is of {migrations.head()}"
)


def become(database: Database, revision: str | None, *served: str) -> None:
    """Make the database one of another time; None takes its revision away."""
    with psycopg.connect(database.address("owner"), autocommit=True) as conn:
        conn.execute("DELETE FROM alembic_version")
        if revision is not None:
            conn.execute("INSERT INTO alembic_version VALUES (%s)", (revision,))
        named = ", ".join(f"'{each}'" for each in served)
        conn.execute(
            "CREATE OR REPLACE FUNCTION serves_v1() RETURNS text[] LANGUAGE sql IMMUTABLE"
            f" AS $$ SELECT ARRAY[{named}]::text[] $$".encode()
        )


def test_today_serves_itself_and_the_release_before(database: Database) -> None:
    """P5, ADR 7: what the database says of itself is what the migrations say."""
    now = standing.look(database.address())
    newest = sorted(migrations.known())

    assert now.found == migrations.head() == newest[-1]
    assert set(newest[-2:]) <= now.served <= set(newest)
    assert (now.is_fit, now.is_newer, now.complaint) == (True, False, None)


@pytest.mark.parametrize(
    ("revision", "served", "complaint", "hint"),
    [
        pytest.param(TOMORROW, ["HEAD", TOMORROW], None, "", id="newer, serves us"),
        pytest.param(
            TOMORROW,
            ["9998", TOMORROW],
            "which serves programs of 9998 and 9999",
            "made",
            id="newer",
        ),
        pytest.param(
            TOMORROW, [], "which serves programs of 9999", "made", id="newer, says nothing"
        ),
        pytest.param(
            "0001", ["HEAD"], "is at schema 0001, this version needs", "upgrade", id="older"
        ),
        pytest.param(None, [], "holds no flowrunner tables", "upgrade", id="none"),
    ],
)
def test_a_program_works_where_it_is_served(
    fresh_database: Database,
    revision: str | None,
    served: list[str],
    complaint: str | None,
    hint: str,
) -> None:
    """P11, ADR 7: too old and too new are refused by name, each with what to do; newer ones that say
    that they serve us are not.
    """
    become(fresh_database, revision, *(migrations.head() if s == "HEAD" else s for s in served))
    settings = Settings(database_url=fresh_database.address())  # pyright: ignore[reportArgumentType]  # pydantic makes it a secret

    if complaint is None:
        with open_database(settings) as addresses:
            assert require_schema(addresses.database) == revision
        return
    with pytest.raises(SchemaError, match=complaint) as refused, open_database(settings):
        pass
    assert hint in str(refused.value.hint)


def test_an_upgrade_leaves_a_newer_schema_as_it_is(fresh_database: Database) -> None:
    """ADR 7: an old release's `db upgrade` is no downgrade; it is refused where it would not be served."""
    owner = fresh_database.address("owner")

    become(fresh_database, TOMORROW, migrations.head(), TOMORROW)
    assert upgrade_schema(owner) == TOMORROW
    become(fresh_database, TOMORROW, "9998", TOMORROW)
    with pytest.raises(SchemaError, match="serves programs of 9998 and 9999"):
        upgrade_schema(owner)

    assert migrations.current(owner) == TOMORROW


@pytest.mark.anyio
async def test_a_replica_says_when_its_schema_has_left_it_behind(
    replicas: Replicas, database: Database
) -> None:
    """P11, D2-01: it works on as well as it can, and says why it should not be given more."""
    async with served(await replicas.start(a_library())) as url:
        assert await ready(url) == (200, {"database": "", "schema": ""})

        become(database, TOMORROW, migrations.head(), TOMORROW)
        assert await ready(url) == (200, {"database": "", "schema": ""})
        become(database, TOMORROW, "9998", TOMORROW)
        status, checks = await ready(url)
        become(database, migrations.head(), *sorted(migrations.known())[-2:])

        assert (status, checks["database"]) == (503, "")
        assert LEFT_BEHIND in checks["schema"]
        assert (await ready(url))[0] == 200


async def ready(url: str) -> tuple[int, dict[str, str]]:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{url}/healthz/ready")
    return answer.status_code, {each["name"]: each["detail"] for each in answer.json()["checks"]}


def test_a_command_says_how_a_database_stands(
    fresh_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """ADR 7: `db check` ends with 1 where this version cannot work; a newer schema may serve it."""
    monkeypatch.setenv("FLOWRUNNER_DATABASE_URL", fresh_database.address())

    become(fresh_database, TOMORROW, migrations.head(), TOMORROW)
    assert main(("db", "check")) == 0
    assert (
        f"schema 9999, newer than {migrations.head()}, which it serves" in capsys.readouterr().out
    )
    become(fresh_database, TOMORROW, "9998", TOMORROW)
    assert main(("db", "check")) == 1
    assert LEFT_BEHIND in capsys.readouterr().err
    assert main(("--json", "db", "check")) == 1
    told = json.loads(capsys.readouterr().out)

    wanted = {"schema": TOMORROW, "wanted": migrations.head(), "served": ["9998", "9999"]}
    assert told == {**wanted, "exit_code": 1}


def test_the_releases_before_the_handshake_refuse_by_name(stage: Stage, steps: Tree) -> None:
    """P11: they cannot be started on today's schema at all, and say so."""
    refused = stage.command(steps, "worker")

    assert refused.process.returncode == 1
    told = (
        f"the database is at schema {migrations.head()}, this version needs {steps.release.schema}"
    )
    assert told in refused.err.read_text()
